import Contract
import Bytes
import Foundation
import Testing

@testable import Machine

@Suite struct BootTests {
    /// A header like that of Debian's 6.1 kernel: protocol 2.15, 27 setup sectors, 64-bit entry.
    private func header(_ change: (inout [UInt8]) -> Void = { _ in }) -> [UInt8] {
        var h = [UInt8](repeating: 0, count: LinuxKernel.headerBytes)
        func put(_ value: some FixedWidthInteger & UnsignedInteger, _ at: Int) {
            for (i, byte) in value.bytes().enumerated() { h[at + i] = byte }
        }
        h[0x1F1] = 27
        put(UInt32(8_000_000 / 16), 0x1F4)
        put(UInt16(0xAA55), 0x1FE)
        h[0x200] = 0xEB
        h[0x201] = 0x6A
        for (i, byte) in "HdrS".utf8.enumerated() { h[0x202 + i] = byte }
        put(UInt16(0x20F), 0x206)
        h[0x211] = 1
        put(UInt32(0x10_0000), 0x214)
        put(UInt32(0x7FFF_FFFF), 0x22C)
        put(UInt32(0x20_0000), 0x230)
        h[0x234] = 1
        put(UInt16(0x3F), 0x236)
        put(UInt32(2047), 0x238)
        put(UInt64(0x100_0000), 0x258)
        put(UInt32(40 << 20), 0x260)
        change(&h)
        return h
    }

    private let fileSize: UInt64 = 28 * 512 + 8_000_000

    private func plan(
        _ layout: MachineLayout, initrd: UInt64 = 5_000_001, commandLine: String = "console=ttyS0"
    ) throws -> BootPlan {
        try BootPlan(
            layout: layout, kernel: LinuxKernel(header: header(), fileSize: fileSize), initrdSize: initrd,
            commandLine: commandLine, acpi: ACPITables(layout: layout))
    }

    @Test func headerIsUnderstood() throws {
        let kernel = try LinuxKernel(header: header(), fileSize: fileSize)
        #expect(kernel.version == 0x20F)
        #expect(kernel.payloadOffset == 28 * 512 && kernel.payloadSize == 8_000_000)
        #expect(kernel.preferredAddress == GuestAddress(16 << 20) && kernel.initSize == 40 << 20)
        #expect(kernel.initrdLimit == 0x8000_0000 && kernel.commandLineSize == 2047)
    }

    @Test func otherFilesAreRefusedWithTheReason() {
        func error(size: UInt64? = nil, _ change: @escaping (inout [UInt8]) -> Void) -> BootError? {
            do {
                _ = try LinuxKernel(header: header(change), fileSize: size ?? fileSize)
                return nil
            } catch { return error }
        }
        #expect(error { $0[0x202] = 0 } == .notABzImage)
        #expect(error { $0[0x1FE] = 0 } == .notABzImage)
        #expect(error { $0.removeLast(0x200) } == .notABzImage)
        #expect(error { $0[0x206] = 0x0B; $0[0x207] = 2 } == .protocolTooOld(0x20B))
        #expect(error { $0[0x236] = 0 } == .no64BitEntry)
        #expect(error(size: 28 * 512 + 4_000_000) { _ in } == .truncated(have: 28 * 512 + 4_000_000, need: fileSize))
        #expect(error(size: 0x400) { _ in } != nil)
        #expect(error { $0[0x201] = 0 } == .notABzImage)
    }

    @Test func everythingIsPlacedOnceInNodeZerosMemory() throws {
        let layout = testLayout([(1, 1, 1, 256), (1, 1, 1, 256)])
        let plan = try plan(layout)
        let sorted = plan.chunks.sorted { $0.address < $1.address }
        #expect(
            zip(sorted, sorted.dropFirst()).allSatisfy { $0.address.rawValue + $0.size <= $1.address.rawValue })
        #expect(sorted.allSatisfy { layout.node(owning: GuestAddress($0.address.rawValue + $0.size - 1)) == 0 })
        let kernel = try #require(plan.chunks.first { $0.source == .kernelFile(offset: 28 * 512, size: 8_000_000) })
        #expect(kernel.address == GuestAddress(16 << 20))
        #expect(plan.bootstrap.rip == 16 << 20 + 0x200)
        let initrd = try #require(plan.chunks.first { $0.source == .initrdFile(offset: 0, size: 5_000_001) })
        #expect(initrd.address.rawValue % 4096 == 0)
        #expect(initrd.address.rawValue + initrd.size > 256 << 20 - 4096)
        #expect(initrd.address.rawValue >= 56 << 20)
    }

    @Test func bootParametersSayWhereEverythingIs() throws {
        let layout = testLayout([(1, 1, 1, 256), (1, 1, 1, 256)])
        let plan = try plan(layout)
        #expect(plan.bootstrap.rsi == LowMemory.bootParameters.rawValue)
        guard
            case .bytes(let page)? = plan.chunks.first(where: { $0.address == LowMemory.bootParameters })?.source
        else {
            Issue.record("no boot parameters")
            return
        }
        #expect(page.count == 4096)
        #expect(page.number(UInt64.self, at: 0x70) == 0xE0000)
        #expect(page.number(UInt32.self, at: 0x202) == 0x5372_6448)
        #expect(page[0x210] == 0xFF && page[0x1EF] == 0)
        #expect(page.number(UInt32.self, at: 0x228) == 0x20000)
        #expect(page.number(UInt32.self, at: 0x21C) == 5_000_001)
        #expect(Int(page[0x1E8]) == plan.memoryMap.count)
        let last = 0x2D0 + 20 * (plan.memoryMap.count - 1)
        #expect(page.number(UInt64.self, at: last) == 0x10_0000)
        #expect(page.number(UInt64.self, at: last + 8) == 511 << 20)
        #expect(page.number(UInt32.self, at: last + 16) == 1)
        // The setup header ends where its jump says; the byte after it stays zero.
        #expect(page[0x26C] == 0)
    }

    @Test func pageTablesMapTheFirstFourGiBOntoThemselves() throws {
        let plan = try plan(testLayout())
        guard case .bytes(let tables)? = plan.chunks.first(where: { $0.address.rawValue == plan.bootstrap.cr3 })?.source
        else {
            Issue.record("no page tables")
            return
        }
        let base = plan.bootstrap.cr3
        func entry(_ table: UInt64, _ index: UInt64) -> UInt64 {
            tables.number(UInt64.self, at: Int(table - base + index * 8)) ?? 0
        }
        for address: UInt64 in [0, 0x100_0200, 0x7000, 0xFEE0_0000, 0xFFFF_FFFF] {
            let pml4 = entry(base, address >> 39)
            let pdpt = entry(pml4 & ~0xFFF, (address >> 30) & 511)
            let pd = entry(pdpt & ~0xFFF, (address >> 21) & 511)
            #expect(pml4 & 3 == 3 && pdpt & 3 == 3 && pd & 0x83 == 0x83)
            #expect(pd & ~0x1F_FFFF == address & ~0x1F_FFFF)
        }
    }

    @Test func tooSmallANodeIsRefusedWithTheNumbers() {
        #expect(
            throws: BootError.initrdDoesNotFit(size: 100 << 20, room: 8 << 20)
        ) { try plan(testLayout([(1, 1, 1, 64)]), initrd: 100 << 20) }
        let small = testLayout([(1, 1, 1, 64)])
        #expect(
            throws: BootError.kernelDoesNotFit(
                address: GuestAddress(16 << 20), size: 64 << 20, available: GuestAddress(64 << 20))
        ) {
            try BootPlan(
                layout: small,
                kernel: LinuxKernel(
                    header: header { $0[0x263] = 4; $0[0x262] = 0 }, fileSize: fileSize),
                initrdSize: 0, commandLine: "", acpi: ACPITables(layout: small))
        }
        #expect(throws: BootError.commandLine(length: 2048, limit: 2047)) {
            try plan(testLayout(), commandLine: String(repeating: "x", count: 2048))
        }
        #expect(throws: BootError.commandLineCharacter(10)) { try plan(testLayout(), commandLine: "a\nb") }
    }

    @Test func initrdStaysBelowTheKernelsLimit() throws {
        let plan = try plan(testLayout([(1, 1, 1, 4096)]))
        let initrd = try #require(plan.chunks.first { $0.source == .initrdFile(offset: 0, size: 5_000_001) })
        #expect(initrd.address.rawValue + initrd.size <= 0x8000_0000)
    }

    @Test func startUpVectorBecomesARealModeAddress() {
        let start = ProcessorStart.realMode(startup: Vector(0x99), signature: 0x800F12)
        #expect(start.code.selector == 0x9900 && start.code.base == 0x99000 && start.rip == 0)
        #expect(start.cr0 == 0x6000_0010 && start.efer == 0 && start.rdx == 0x800F12)
        #expect(!start.code.isLong && start.code.limit == 0xFFFF)
    }

    @Test func operatorsTextComesLast() {
        let line = GuestCommandLine.make(tscKHz: 2_400_000, operatorText: "root=/dev/vda\n  quiet\n")
        #expect(line.hasPrefix("console=ttyS0,115200 tsc_early_khz=2400000 tsc=reliable "))
        #expect(line.hasSuffix(" root=/dev/vda quiet"))
        #expect(GuestCommandLine.additions(tscKHz: 1).allSatisfy { !$0.reason.isEmpty && !$0.text.contains(" ") })
    }

    @Test func delayLoopIsPresetOnlyWhenTheTickRateIsKnown() {
        let known = GuestCommandLine.make(tscKHz: 2_400_000, ticksPerSecond: 250, operatorText: "")
        #expect(known.contains(" lpj=9600000"))
        #expect(!GuestCommandLine.make(tscKHz: 2_400_000, operatorText: "").contains("lpj="))
    }

    static let realKernel = ["/boot/vmlinuz", "/vmlinuz"].first { FileManager.default.isReadableFile(atPath: $0) }

    @Test(.enabled(if: Self.realKernel != nil, "no readable distribution kernel at /boot/vmlinuz or /vmlinuz"))
    func distributionKernelIsAccepted() throws {
        let file = try Data(contentsOf: URL(fileURLWithPath: try #require(Self.realKernel)))
        let kernel = try LinuxKernel(header: Array(file.prefix(LinuxKernel.headerBytes)), fileSize: UInt64(file.count))
        #expect(kernel.initSize > kernel.payloadSize)
    }

    /// CONFIG_HZ is known of Debian's kernels only; of others no loops per jiffy are claimed.
    @Test func loopsPerJiffyAreClaimedOfKernelsWhoseTicksAreKnown() {
        func kernel(_ version: String) -> [UInt8] {
            var file = [UInt8](repeating: 0, count: 0x1000)
            (file[0x20E], file[0x20F]) = (0x00, 0x0A)
            for (index, byte) in version.utf8.enumerated() { file[0xC00 + index] = byte }
            return file
        }
        let debian = "6.1.0-28-cloud-amd64 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC Debian 6.1.119-1"
        #expect(LinuxKernel.version(of: kernel(debian)) == debian)
        #expect(LinuxKernel.ticksPerSecond(version: debian) == 250)
        let other = "6.8.0-1000 (buildd@lcy02) #1-Ubuntu SMP"
        #expect(LinuxKernel.ticksPerSecond(version: LinuxKernel.version(of: kernel(other))) == nil)
        #expect(LinuxKernel.version(of: [UInt8](repeating: 0, count: 0x1000)) == nil && LinuxKernel.version(of: [1]) == nil)
        #expect(GuestCommandLine.make(tscKHz: 1000, operatorText: "").contains("lpj=") == false)
    }
}

extension BootPlan.Chunk {
    fileprivate var size: UInt64 {
        switch source {
        case .bytes(let bytes): UInt64(bytes.count)
        case .kernelFile(_, let size), .initrdFile(_, let size): size
        }
    }
}
