import Bytes

/// The setup header of a Linux bzImage (the x86 boot protocol, Documentation/arch/x86/boot.rst), checked for what a
/// 64-bit entry needs.
package struct LinuxKernel: Sendable {
    /// As much of the file's start as `init` wants; a shorter file is given whole.
    package static let headerBytes = 0x300

    /// Protocol version, 0x20C is 2.12.
    package let version: UInt16
    /// Where the protected-mode part starts in the file, and how many bytes it has.
    package let payloadOffset: UInt64
    package let payloadSize: UInt64
    package let preferredAddress: GuestAddress
    /// Linear bytes the kernel needs from its load address before it has set up its own memory map.
    package let initSize: UInt64
    package let initrdLimit: UInt64
    /// Longest command line without the final zero.
    package let commandLineSize: Int
    let setupHeader: [UInt8]

    private enum Offset {
        static let setupSectors = 0x1F1, systemSize = 0x1F4, bootFlag = 0x1FE, jumpLength = 0x201, magic = 0x202
        static let version = 0x206, loadFlags = 0x211, initrdLimit = 0x22C, extendedFlags = 0x236
        static let commandLineSize = 0x238, preferredAddress = 0x258, initSize = 0x260
    }

    /// - Parameters:
    ///   - header: the file's first bytes, `headerBytes` of them or all.
    ///   - fileSize: bytes of the whole file.
    package init(header: [UInt8], fileSize: UInt64) throws(BootError) {
        guard fileSize >= 0x400, header.count >= 0x268, header.number(UInt16.self, at: Offset.bootFlag) == 0xAA55,
            Array(header[Offset.magic..<Offset.magic + 4]) == Array("HdrS".utf8)
        else { throw .notABzImage }
        version = header.number(UInt16.self, at: Offset.version) ?? 0
        guard version >= 0x20C else { throw .protocolTooOld(version) }
        let extendedFlags = header.number(UInt16.self, at: Offset.extendedFlags) ?? 0
        guard extendedFlags & 1 != 0 else { throw .no64BitEntry }
        guard header[Offset.loadFlags] & 1 != 0 else { throw .notABzImage }

        let sectors = header[Offset.setupSectors] == 0 ? 4 : UInt64(header[Offset.setupSectors])
        payloadOffset = (sectors + 1) * 512
        guard fileSize > payloadOffset + 0x200 else { throw .truncated(have: fileSize, need: payloadOffset + 0x201) }
        payloadSize = fileSize - payloadOffset
        // The size in 16-byte units may leave out the last, incomplete one.
        let stated = UInt64(header.number(UInt32.self, at: Offset.systemSize) ?? 0) * 16
        guard payloadSize + 15 >= stated else { throw .truncated(have: fileSize, need: payloadOffset + stated) }

        preferredAddress = GuestAddress(header.number(UInt64.self, at: Offset.preferredAddress) ?? 0)
        initSize = max(UInt64(header.number(UInt32.self, at: Offset.initSize) ?? 0), payloadSize)
        initrdLimit = UInt64(header.number(UInt32.self, at: Offset.initrdLimit) ?? 0) + 1
        commandLineSize = Int(header.number(UInt32.self, at: Offset.commandLineSize) ?? 255)
        let end = Offset.magic + Int(header[Offset.jumpLength])
        guard end <= header.count, end > Offset.initSize else { throw .notABzImage }
        setupHeader = Array(header[Offset.setupSectors..<end])
    }
}

extension LinuxKernel {
    /// What the kernel says of its version and who built it (boot protocol field `kernel_version`); nil when it says nothing.
    package static func version(of file: [UInt8]) -> String? {
        guard let offset = file.number(UInt16.self, at: 0x20E), offset != 0 else { return nil }
        let text = file.dropFirst(0x200 + Int(offset)).prefix(256).prefix { $0 != 0 }
        return text.isEmpty ? nil : String(decoding: text, as: UTF8.self)
    }

    /// The kernel's CONFIG_HZ, as far as its builder tells: Debian's kernels tick 250 times a second. Nil for all others, because a wrong value
    /// would make the guest's short delays wrong.
    package static func ticksPerSecond(version: String?) -> UInt64? {
        version?.contains("(debian-kernel@lists.debian.org)") == true ? 250 : nil
    }
}

/// Why a guest cannot be started.
package enum BootError: Error, Equatable, CustomStringConvertible {
    case notABzImage
    case protocolTooOld(UInt16)
    case no64BitEntry
    case truncated(have: UInt64, need: UInt64)
    case kernelDoesNotFit(address: GuestAddress, size: UInt64, available: GuestAddress)
    case initrdDoesNotFit(size: UInt64, room: UInt64)
    case commandLine(length: Int, limit: Int)
    case commandLineCharacter(UInt8)

    package var description: String {
        switch self {
        case .notABzImage:
            "the guest kernel is not a Linux bzImage (no setup header): give the vmlinuz of a distribution"
        case .protocolTooOld(let v):
            "the guest kernel speaks boot protocol \(v >> 8).\(v & 0xFF), 2.12 (Linux 3.8) or newer is needed"
        case .no64BitEntry: "the guest kernel has no 64-bit entry point: give an x86-64 kernel"
        case .truncated(let have, let need):
            "the guest kernel has \(have) bytes, its header says \(need): copy it again"
        case .kernelDoesNotFit(let address, let size, let available):
            "the guest kernel needs \(size >> 20) MiB from \(address), but node 0's memory ends at \(available): "
                + "give node 0 a larger slice"
        case .initrdDoesNotFit(let size, let room):
            "the initrd has \(size >> 10) KiB, node 0 has room for \(room >> 10) KiB: give node 0 a larger slice"
        case .commandLine(let length, let limit):
            "the guest command line has \(length) bytes with what the machine adds, this kernel takes \(limit): shorten it"
        case .commandLineCharacter(let c): "the guest command line contains the byte \(c): use printable text only"
        }
    }
}
