import CPlatform
import Glibc

/// A POSIX thread that runs one function and can be joined once.
package final class SystemThread: @unchecked Sendable {
    private var handle = pthread_t()

    private final class Body {
        let name: String
        let run: @Sendable () -> Void
        init(_ name: String, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    package init(_ name: String, _ run: @escaping @Sendable () -> Void) {
        let body = unsafe Unmanaged.passRetained(Body(name, run)).toOpaque()
        let status = unsafe pthread_create(&handle, nil, { argument in
            let body = unsafe Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue()
            nameThread(body.name)
            body.run()
            return nil
        }, body)
        precondition(status == 0, "pthread_create failed: no memory for a thread's stack")
    }

    package func join() { pthread_join(handle, nil) }
}

/// Names the calling thread for ps and debuggers (first 15 bytes).
package func nameThread(_ name: String) { unsafe cplatform_name_thread(name) }

/// Asks for a real-time priority (1...99) for the calling thread; false when the kernel refuses.
@discardableResult
package func becomeRealtime(priority: Int32) -> Bool { cplatform_realtime(priority) >= 0 }

/// Keeps the calling thread, and those it makes, to one processor (sched_setaffinity(2)); false when the kernel refuses.
@discardableResult
package func keepToProcessor(_ processor: Int32) -> Bool { cplatform_keep_to_processor(processor) >= 0 }
