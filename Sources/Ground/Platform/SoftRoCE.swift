internal import Bytes
internal import Glibc

/// A soft RDMA device (Linux's rdma_rxe, RoCE version 2) on an Ethernet port: `rdma link add DEVICE type rxe netdev PORT`, as one message
/// of RDMA's netlink family (linux/rdma/rdma_netlink.h). It needs CAP_NET_ADMIN and the module rdma_rxe.
package enum SoftRoCE {
    /// Makes `device` on the interface `port`, unless that has a soft device already.
    ///
    /// - Throws: `EPROTONOSUPPORT` where the kernel has no RDMA, `EINVAL` where rdma_rxe is not loaded, `ENODEV` where the port is not there.
    package static func add(_ device: String, on port: String) throws(SystemError) {
        let subject = "\(device) on \(port)"
        let family: Int32 = 20  // NETLINK_RDMA (linux/netlink.h)
        let kind = Int32(SOCK_RAW.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let socket = FileDescriptor(owning: try checked(uninterrupted { Glibc.socket(AF_NETLINK, kind, family) }, "socket(NETLINK_RDMA)", on: subject), as: subject)
        try socket.sendAll(message(device: device, port: port))
        let code = outcome(of: try socket.read(atMost: 4096))
        guard code == 0 || code == EEXIST else { throw SystemError("RDMA_NLDEV_CMD_NEWLINK", on: subject, code: code) }
    }

    /// A netlink header (netlink(7)) and three attributes, each a text that ends with a zero byte, padded to four bytes.
    package static func message(device: String, port: String) -> [UInt8] {
        var message = ByteWriter()
        message.u32(0)
        message.u16(5 << 10 | 3)  // RDMA_NL_NLDEV, RDMA_NLDEV_CMD_NEWLINK
        message.u16(1 | 4)  // NLM_F_REQUEST, NLM_F_ACK
        message.put(zeros: 8)
        // RDMA_NLDEV_ATTR_DEV_NAME, _NDEV_NAME, _LINK_TYPE
        for (attribute, text) in [(UInt16(2), device), (51, port), (65, "rxe")] {
            let count = text.utf8.count + 1
            message.u16(UInt16(4 + count))
            message.u16(attribute)
            message.put(raw: text.utf8)
            message.put(zeros: 1 + (4 - count % 4) % 4)
        }
        message.patch(UInt32(message.count), at: 0)
        return message.bytes
    }

    /// The errno of an acknowledgement (`struct nlmsgerr` behind a header of type NLMSG_ERROR), 0 for success; `EBADMSG` for anything else.
    package static func outcome(of answer: [UInt8]) -> Int32 {
        guard answer.count >= 20, answer[4] == 2, answer[5] == 0 else { return EBADMSG }
        let number = answer[16..<20].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        return 0 &- Int32(bitPattern: number)
    }
}
