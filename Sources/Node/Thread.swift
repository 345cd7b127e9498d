import Glibc
import Hypervisor

/// A POSIX thread that runs one function and can be joined once.
package final class NodeThread: @unchecked Sendable {
    private var handle = pthread_t()
    private let finished = Parker()

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
