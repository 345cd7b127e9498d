internal import CUSB
internal import Platform
internal import Synchronization

/// The hot-plug callbacks of a libusb session of its own, and the thread that runs its event loop.
@safe public struct USBWatch: ~Copyable {
    private let loop: EventLoop
    private let thread: SystemThread

    init(_ change: @escaping @Sendable (USBChange) -> Void) throws(USBError) {
        let loop = try EventLoop(change)
        self.loop = loop
        thread = SystemThread("usb-events") { loop.run() }
    }

    deinit {
        loop.end()
        thread.join()
    }
}

/// Owns the session; its thread alone calls out.
// SAFETY: `context` and `handle` are set before the thread starts and freed after it was joined; `ended` is atomic.
@safe private final class EventLoop: @unchecked Sendable {
    private let context: OpaquePointer
    private var handle: libusb_hotplug_callback_handle = 0
    private let ended = Atomic(false)
    private let change: @Sendable (USBChange) -> Void

    init(_ change: @escaping @Sendable (USBChange) -> Void) throws(USBError) {
        var context: OpaquePointer?
        try checked(unsafe libusb_init(&context), "libusb_init")
        guard let context = unsafe context else { throw USBError(call: "libusb_init", code: LIBUSB_ERROR_OTHER.rawValue) }
        unsafe self.context = context
        self.change = change
        let events = Int32(LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED.rawValue | LIBUSB_HOTPLUG_EVENT_DEVICE_LEFT.rawValue)
        // SAFETY: the loop outlives the registration: libusb_exit in deinit ends it.
        let result = unsafe libusb_hotplug_register_callback(
            context, events, 0, LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY, LIBUSB_HOTPLUG_MATCH_ANY,
            { _, device, event, loop in
                guard let device = unsafe device, let loop = unsafe loop else { return 0 }
                unsafe Unmanaged<EventLoop>.fromOpaque(loop).takeUnretainedValue().tell(device, event)
                return 0
            }, Unmanaged.passUnretained(self).toOpaque(), &handle)
        guard result == LIBUSB_SUCCESS.rawValue else { throw USBError(call: "libusb_hotplug_register_callback", code: result) }
    }

    deinit { unsafe libusb_exit(context) }

    /// In a callback a device may not be opened (libusb's manual, "Device hotplug event notification"): names are left for the listener to read.
    private func tell(_ device: OpaquePointer, _ event: libusb_hotplug_event) {
        guard let device = unsafe USBDevice(device, names: false) else { return }
        change(event == LIBUSB_HOTPLUG_EVENT_DEVICE_ARRIVED ? .arrived(device) : .left(device))
    }

    func run() {
        while !ended.load(ordering: .acquiring) {
            // A second at most, should the interruption come before the wait.
            var limit = timeval(tv_sec: 1, tv_usec: 0)
            unsafe libusb_handle_events_timeout_completed(context, &limit, nil)
        }
    }

    func end() {
        ended.store(true, ordering: .releasing)
        unsafe libusb_interrupt_event_handler(context)
    }
}
