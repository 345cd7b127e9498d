import Platform
import TestSupport
import BoardSupport
import Foundation
import Testing

@testable import FirmwareImage

@Suite struct ArchiveTests {
    private func sample() -> NewcArchive {
        var archive = NewcArchive()
        archive.add("etc/deep/file", .file(Data("content\n".utf8), permissions: 0o640))
        archive.add("init", .file(Data("#!/bin/sh\n".utf8), permissions: 0o755))
        archive.add("bin/sh", .symbolicLink("/bin/busybox"))
        archive.add("dev/console", .characterDevice(major: 5, minor: 1, permissions: 0o600))
        return archive
    }

    @Test func orderOfAddingDoesNotMatter() {
        var other = NewcArchive()
        for (path, entry) in sample().entries.sorted(by: { $0.key > $1.key }) { other.add(path, entry) }
        #expect(other.bytes() == sample().bytes())
        #expect(sample().bytes().count % 512 == 0)
    }

    @Test(.enabled(if: HostProgram.locate("cpio") != nil, "cpio is not installed"))
    func cpioReadsIt() throws {
        let list = String(decoding: try HostProgram("cpio").data(["-itv"], input: sample().bytes()), as: UTF8.self)
        let lines = list.split(separator: "\n").map(String.init)
        #expect(lines.count == 8)
        #expect(lines.contains { $0.hasPrefix("crw-------") && $0.contains("5,   1") && $0.hasSuffix("dev/console") })
        #expect(lines.contains { $0.hasPrefix("-rw-r-----") && $0.hasSuffix("etc/deep/file") })
        #expect(lines.contains { $0.hasSuffix("bin/sh -> /bin/busybox") })
        #expect(lines.allSatisfy { $0.contains("root") && $0.contains("1970") })
    }

    @Test func readsBackWhatItWrote() throws {
        let back = try NewcArchive(reading: sample().bytes())
        #expect(back.entries == sample().entries)
    }

    @Test func archivesBehindEachOtherAreReadAsTheKernelDoes() throws {
        var (first, second) = (NewcArchive(), NewcArchive())
        first.add("etc/both", .file(Data("old".utf8), permissions: 0o644))
        first.add("etc/first", .file(Data("1".utf8), permissions: 0o644))
        second.add("etc/both", .file(Data("new".utf8), permissions: 0o600))
        let joined = first.bytes() + second.bytes()
        let read = try NewcArchive(reading: joined)
        #expect(read.entries["etc/both"] == .file(Data("new".utf8), permissions: 0o600) && read.entries["etc/first"] != nil)
        #expect(NewcArchive.archives(in: joined) == [first.bytes(), second.bytes()])
        #expect(NewcArchive.archives(in: joined + [1]) == [joined + [1]])
        #expect(imageError { _ = try NewcArchive(reading: joined + [1]) } != nil)
    }

    @Test func layersHoldEveryEntryOnce() throws {
        let layers = Initramfs.layers(of: sample())
        #expect(try NewcArchive(reading: layers).entries == sample().entries)
        #expect(NewcArchive.archives(in: layers).count == 3)
    }

    @Test func everyTruncationIsRefused() {
        let bytes = sample().bytes()
        let end = bytes.range(of: Data("TRAILER!!!".utf8))?.upperBound ?? 0
        for count in stride(from: 0, to: end, by: 7) {
            #expect(imageError { _ = try NewcArchive(reading: bytes.prefix(count)) } != nil)
        }
    }

    @Test(.enabled(if: HostProgram.locate("zstd") != nil, "zstd is not installed"))
    func rootFileSystemCarriesItsHashInFront() throws {
        let hash = testHash
        let joined = try Initramfs.joined(archive: sample().bytes(), hash: hash)
        let (found, archive) = try Initramfs.split(joined)
        #expect(found == hash)
        #expect(archive == sample().bytes())
    }
}
