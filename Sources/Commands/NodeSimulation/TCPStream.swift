import Platform

/// One TCP stream between two boards as their kernels keep it: bytes in order, sent again with doubled pauses, given up, reset. A packet is on its way or
/// lost at the moment it leaves; what has left arrives if the other board lives then.
final class TCPStream {
    /// One end: 0 dialled, 1 was dialled.
    struct End {
        let board: Int
        /// The board's power cycle, and the process that has the socket.
        var power = 0
        var process = 0
        /// The process has the socket; afterwards the kernel sends what is left.
        var isOpen = false
        /// Reset or given up: nothing goes or comes any more.
        var isDead = false
        /// What has not reached the other kernel.
        var pending: [UInt8] = []
        var wantsFinish = false
        /// Since when something is not acknowledged; nil: all is.
        var unacknowledged: Time?
        /// Numbers what is sent, so that an old acknowledgement is known.
        var sent = 0
        var pause: Time = TCPStream.firstPause
        var isAttempting = false
        /// A stream that stands still is given up (TCP_USER_TIMEOUT).
        var isImpatient = false
        var missedProbes = 0
        var lastProbe: Time = 0
        /// Packets arrive in order.
        var lastArrival: Time = 0
        /// What the process has not read, and how the stream ended behind it.
        var inbox: [UInt8] = []
        var ending: SocketEnd?
    }

    static let firstPause: Time = 200 * .millisecond
    static let userTimeout: Time = 1500 * .millisecond

    var ends: [End]
    /// Packets of SYN that were sent.
    var dials = 0
    var isEstablished = false
    let port: UInt16

    init(from: Int, to: Int, port: UInt16) {
        ends = [End(board: from), End(board: to)]
        self.port = port
    }
}
