import Foundation
import Glibc
import Platform
import Testing

struct WholeFileTests {
    @Test func filesAreReadWholeUpToTheLimit() throws {
        try withFolder { folder in
            let path = folder + "/file"
            let bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            #expect(try WholeFile.read(path, atMost: 200_000) == bytes)
            let error = #expect(throws: FileReadError.tooLarge(path, limit: 199_999)) { try WholeFile.read(path, atMost: 199_999) }
            #expect(error?.description == "\(path) is larger than the 199999 bytes that are allowed here")
            try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: path)
            #expect(try WholeFile.read(folder + "/link").count == 200_000)
        }
    }

    @Test func whatIsNoPlainFileIsNamed() throws {
        try withFolder { folder in
            #expect(throws: FileReadError.missing(folder + "/none")) { try WholeFile.read(folder + "/none") }
            #expect(throws: FileReadError.missing("/dev/null/file")) { try WholeFile.read("/dev/null/file") }
            #expect(throws: FileReadError.notPlain(folder, .folder)) { try WholeFile.read(folder) }
            #expect(throws: FileReadError.notPlain("/dev/zero", .characterDevice)) { try WholeFile.read("/dev/zero") }
            let pipe = folder + "/pipe"
            #expect(unsafe mkfifo(pipe, 0o600) == 0)
            // Nobody writes into it: the read does not wait.
            let error = #expect(throws: FileReadError.notPlain(pipe, .other)) { try WholeFile.read(pipe) }
            #expect(error?.description == "\(pipe) is a pipe or a socket, where a plain file is needed")
        }
    }

    @Test func aFileThatMayNotBeReadSaysWhy() throws {
        // Root may read everything; a link to itself fails for everybody.
        try withFolder { folder in
            let path = folder + "/loop"
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: path)
            let error = #expect(throws: FileReadError.self) { try WholeFile.read(path) }
            #expect(error?.description == "\(path) cannot be read: Too many levels of symbolic links (errno 40)")
        }
    }

    @Test func aLinkThatLeadsNowhereIsNamedAsOne() throws {
        try withFolder { folder in
            try FileManager.default.createSymbolicLink(atPath: folder + "/link", withDestinationPath: "nowhere")
            let error = #expect(throws: FileReadError.leadsNowhere(folder + "/link")) { try WholeFile.read(folder + "/link") }
            #expect(error?.description == "\(folder)/link is a symbolic link that leads nowhere")
        }
    }

    @Test func aPipeIsReadToItsEndWhereItMayBeOne() throws {
        try withFolder { folder in
            let pipe = folder + "/pipe"
            #expect(unsafe mkfifo(pipe, 0o600) == 0)
            let writer = SystemThread("writer") {
                guard let file = try? SharedDescriptor(FileDescriptor(opening: pipe, for: .write)) else { return }
                try? file.descriptor.write([UInt8](repeating: 3, count: 100_000))
                try? file.descriptor.write([4])
            }
            let bytes = try WholeFile.read(pipe, mayBePipe: true)
            writer.join()
            #expect(bytes.count == 100_001 && bytes.last == 4)
        }
    }
}

struct SystemFilesTests {
    @Test func filesBelowARootAreRead() throws {
        try withFolder { folder in
            let files = SystemFiles(root: folder + "/")
            try FileManager.default.createDirectory(atPath: folder + "/sys/b", withIntermediateDirectories: true)
            try Data(" 42 \nmore\n".utf8).write(to: URL(fileURLWithPath: folder + "/sys/a"))
            try Data("\n".utf8).write(to: URL(fileURLWithPath: folder + "/sys/empty"))
            try FileManager.default.createSymbolicLink(atPath: folder + "/sys/link", withDestinationPath: "../devices/usb1")
            #expect(files.text("/sys/a") == " 42 \nmore\n")
            #expect(files.line("/sys/a") == "42")
            #expect(files.number("/sys/a") == 42)
            #expect(files.line("/sys/empty") == nil)
            #expect(files.bytes("/sys/b") == nil)
            #expect(files.names(in: "/sys") == ["a", "b", "empty", "link"])
            #expect(files.names(in: "/none") == [])
            #expect(files.linkTarget("/sys/link") == "../devices/usb1")
            #expect(files.linkName("/sys/link") == "usb1")
            #expect(files.linkName("/sys/a") == nil)
            #expect(files.exists("/sys/b") && !files.exists("/sys/c"))
        }
    }

    @Test func theKernelsFilesAreReadThoughTheirSizeIsZero() {
        #expect(SystemFiles().text("/proc/self/mountinfo")?.contains(" / ") == true)
    }
}
