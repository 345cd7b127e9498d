internal import CUSB

/// Why libusb could not do something: its call, and its code (libusb_error in libusb.h).
public struct USBError: Error, Equatable, Sendable, CustomStringConvertible {
    public let call: String
    public let code: Int32

    public var description: String {
        // SAFETY: libusb's texts are constants of the library.
        "\(call): \(unsafe String(cString: libusb_strerror(code))) (libusb error \(code))"
    }
}

/// - Returns: a result that is no error; negative ones are libusb's codes.
@discardableResult
func checked(_ result: Int32, _ call: String) throws(USBError) -> Int32 {
    guard result >= 0 else { throw USBError(call: call, code: result) }
    return result
}
