internal import CUSB
internal import Platform
internal import Synchronization

/// Tells that something was plugged in or pulled, until the value ends: libusb's hot-plug callbacks, and a thread for its event loop.
@safe public struct USBWatch: ~Copyable {
    private let loop: EventLoop
    private let thread: SystemThread

    init() throws(USBError) {
        let loop = try EventLoop()
        self.loop = loop
        thread = SystemThread("usb-events") { loop.run() }
    }

    deinit {
        loop.end()
        thread.join()
    }

    /// Waits until a device has come or gone since the last call, or for `timeout` nanoseconds. May return early.
    public borrowing func wait(timeout: UInt64? = nil) { loop.changed.park(timeout: timeout) }
}

/// Owns a libusb session; its thread alone runs the callback.
// SAFETY: `session` and `handle` are set before the thread starts and end after it was joined; `ended` is atomic.
@safe private final class EventLoop: @unchecked Sendable {
    private let session: USBContext
    private var handle: libusb_hotplug_callback_handle = 0
    private let ended = Atomic(false)
    let changed = Parker()

    init() throws(USBError) {
        session = try USBContext()
        let events = Int32(LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED.rawValue | LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT.rawValue)
        // SAFETY: the loop outlives the registration: the session's end ends it.
        let result = unsafe libusb_hotplug_register_callback(
            session.context, events, 0, LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY,
            { _, _, _, loop in
                guard let loop = unsafe loop else { return 0 }
                unsafe Unmanaged<EventLoop>.fromOpaque(loop).takeUnretainedValue().changed.unpark()
                return 0
            }, Unmanaged.passUnretained(self).toOpaque(), &handle)
        guard result == LIBUSB_SUCCESS.rawValue else { throw USBError(call: "libusb_hotplug_register_callback", code: result) }
    }

    func run() {
        while !ended.load(ordering: .acquiring) {
            // A second at most, should the interruption come before the wait.
            var limit = timeval(tv_sec: 1, tv_usec: 0)
            unsafe libusb_handle_events_timeout_completed(session.context, &limit, nil)
        }
    }

    func end() {
        ended.store(true, ordering: .releasing)
        unsafe libusb_interrupt_event_handler(session.context)
    }
}
