import Contract
import BoardSupport
import Foundation
import Testing

@testable import FirmwareImage

@Suite struct PackageLockTests {
    let sample = """
        # Why this lock exists.
        want busybox-static
        want linux-image-amd64
        package busybox-static 1:1.35.0-4 amd64 \(String(repeating: "ab", count: 32)) busybox 1:1.35.0-4
        package linux-image-6.1.0-1-amd64 6.1.1-1 amd64 \(String(repeating: "01", count: 32)) linux-signed-amd64 6.1.1+1

        """

    @Test func textIsStable() throws {
        let lock = try PackageLock(text: sample, origin: "lock")
        #expect(lock.text == sample)
        #expect(PackageLock(comments: lock.comments, wishes: lock.wishes.reversed(), packages: lock.packages.reversed()) == lock)
    }

    @Test(arguments: [
        "want", "want Two Words", "want -o", "package a 1 amd64 zz a 1", "package a 1 amd64", "something else",
    ])
    func badLineIsRefusedWithItsPlace(line: String) throws {
        let error = imageError { _ = try PackageLock(text: "want fine\n" + line, origin: "my.lock") }
        #expect(error?.exitStatus == .badInput)
        #expect(error?.description.contains("my.lock:2:") == true)
    }

    @Test func sourceFilesAreLinesOfTheLock() throws {
        let digest = String(repeating: "cd", count: 32)
        let text = sample + "source busybox 1:1.35.0-4 \(digest) busybox_1.35.0-4.dsc\n"
        let lock = try PackageLock(text: text, origin: "lock")
        #expect(lock.text == text && lock.sources.map(\.name) == ["busybox_1.35.0-4.dsc"])
        for name in ["../outside", "a/b", ".hidden", ""] {
            let error = imageError { _ = try PackageLock(text: "source a 1 \(digest) \(name)\n", origin: "my.lock") }
            #expect(error?.description.contains("my.lock:1:") == true, "\(name)")
        }
        #expect(imageError { _ = try PackageLock(text: "source a ../1 \(digest) a.dsc\n", origin: "lock") } != nil)
    }

    @Test func packageLockedTwiceIsRefused() {
        let error = imageError {
            let line = sample.split(separator: "\n")[3]
            _ = try PackageLock(text: "\(line)\n\(line)\n", origin: "lock")
        }
        #expect(error?.description.contains("locked twice") == true)
    }

    @Test func locksOfThisRepositoryNameWhatTheBuilderNeeds() throws {
        let lock = try PackageLock(contentsOf: repository.appendingPathComponent("firmware/packages.lock"))
        for name in ["linux-image-", "busybox-static", "systemd-boot-efi", "grub-pc-bin"] {
            _ = try lock.package(named: name, purpose: "this test")
        }
        let guest = try PackageLock(contentsOf: repository.appendingPathComponent("firmware/guest.lock"))
        #expect(try guest.package(named: "linux-image-", purpose: "this test").name.hasSuffix("-cloud-amd64"))
    }

    @Test func aptRecordsGiveSourceAndDigest() throws {
        let digest = String(repeating: "5f", count: 32)
        let record = AptSource.record(
            "Package: linux-image-x\nSource: linux-signed-amd64 (6.1.1+1)\nVersion: 6.1.1-1\nArchitecture: amd64\n"
                + "Description: kernel\n more: text\nSHA256: \(digest)\n\nPackage: another\n")
        let package = try AptSource.package(from: record, asked: "linux-image-x")
        #expect(package.source == "linux-signed-amd64")
        #expect(package.sourceVersion == "6.1.1+1")
        #expect(package.digest.description == digest)
        #expect(imageError { _ = try AptSource.package(from: ["Package": "x"], asked: "x") }?.exitStatus == .badInput)
    }
}

@Suite struct PackageStoreTests {
    let content = Data("a package".utf8)

    @Test func fetchesWhatIsMissingOnce() throws {
        let scratch = try Scratch("store")
        let store = PackageStore(root: scratch.url)
        let package = locked("alpha", content)
        let lock = PackageLock(wishes: ["alpha"], packages: [package])
        #expect(try store.fetch(lock, from: ShelfSource(shelf: [package: content])) == [package])
        #expect(try Data(contentsOf: store.file(for: package)) == content)
        // Nothing is asked for a second time, so an empty shelf does no harm.
        #expect(try store.fetch(lock, from: ShelfSource()).isEmpty)
    }

    @Test func wrongContentIsNeverStored() throws {
        let scratch = try Scratch("store")
        let store = PackageStore(root: scratch.url)
        let package = locked("alpha", content)
        let error = imageError {
            try store.fetch(
                PackageLock(wishes: [], packages: [package]), from: ShelfSource(shelf: [package: Data("another".utf8)]))
        }
        #expect(error?.exitStatus == .inputOutput)
        #expect(!store.contains(package.digest))
    }

    @Test func damageInTheStoreIsFound() throws {
        let scratch = try Scratch("store")
        let store = PackageStore(root: scratch.url)
        let package = locked("alpha", content)
        try write(Data("damaged".utf8), to: store.location(of: package.digest))
        #expect(imageError { _ = try store.file(for: package) }?.exitStatus == .inputOutput)
    }

    @Test func droppedVersionIsUnavailableUntilTheLockIsUpdated() throws {
        let scratch = try Scratch("store")
        let store = PackageStore(root: scratch.url)
        let old = locked("alpha", content, version: "1")
        let new = locked("alpha", Data("newer".utf8), version: "2")
        let source = ShelfSource(shelf: [new: Data("newer".utf8)])
        let lock = PackageLock(comments: ["# kept"], wishes: ["alpha"], packages: [old])
        let error = imageError { try store.fetch(lock, from: source) }
        #expect(error?.exitStatus == .unavailable)
        #expect(error?.description.contains("alpha 1") == true)
        let updated = try lock.updated(from: source)
        #expect(updated == PackageLock(comments: ["# kept"], wishes: ["alpha"], packages: [new]))
        try store.fetch(updated, from: source)
        #expect(store.contains(new.digest))
    }

    @Test func placeOfTheStoreCanBeChosen() {
        #expect(PackageStore.standard(environment: ["VSMP_STORE": "/s", "HOME": "/h"]).root.path == "/s")
        #expect(PackageStore.standard(environment: ["HOME": "/h"]).root.path == "/h/.cache/vsmp/store")
    }
}
