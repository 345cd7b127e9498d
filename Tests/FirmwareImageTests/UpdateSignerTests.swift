import Contract
import Disk
import Foundation
import Node
import StickState
import TestSupport
import Testing

@testable import FirmwareImage
@testable import NodeCommands

/// Whose firmware a node takes while its machine runs.
@Suite(.serialized, .enabled(if: signingObstacle == nil, "\(signingObstacle ?? "")"))
struct UpdateSignerTests {
    private let scratch: Scratch
    private var workshop: Workshop
    private var boot: String { scratch.url.path + "/boot" }

    init() throws {
        scratch = try Scratch("signers")
        workshop = try Workshop()
    }

    private mutating func image(_ version: UInt32, by signer: KeyFileSigner?) throws -> ImageReader {
        workshop = try workshop.copy()
        if let signer { try workshop.release(signedBy: signer) }
        workshop.builder.version = version
        try workshop.replaceNode("#!/bin/busybox sh\n# version \(version)\n")
        return try ImageReader(try workshop.build())
    }

    /// What a node with version 1, which runs, says to a bundle.
    private func answer(_ bundle: [UInt8], running: ImageReader) throws -> Result<String, UpdateRefusal> {
        let system = try #require(running.image.volume(ImageLayout.systemName))
        try? FileManager.default.removeItem(atPath: boot)
        for path in try system.files() { try write(Data(try system.content(of: path)), to: URL(fileURLWithPath: "\(boot)/\(path)")) }
        let update = StickUpdate(
            running: running.manifest.firmwareHash, folder: boot, floor: .zero, memory: NodeMemory(store: nil), setWritable: { _ in true }, forgetCache: {})
        return update.prepare(bundle, isWanted: { true })
    }

    private func refusal(_ result: Result<String, UpdateRefusal>) -> String? {
        guard case .failure(let refusal) = result, refusal.exitStatus == .badInput else { return nil }
        return refusal.description
    }

    @Test mutating func aReleaseIsFollowedOnlyByWhatItsSignerSigned() throws {
        let keys = scratch.url.appendingPathComponent("keys"), others = scratch.url.appendingPathComponent("others")
        for folder in [keys, others] { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }
        let (own, other) = (try KeyFileSigner.vendor(in: keys), try KeyFileSigner.vendor(in: others))
        let running = try image(1, by: own)
        let next = try image(2, by: own)
        #expect(try answer(next.bundle(), running: running).get().contains("holds version 2"))
        #expect(try refusal(answer(image(3, by: other).bundle(), running: running))?.contains("not signed by the key that signed") == true)

        // Another root file system for BIOS beside the program that is signed, and a command line.
        let text = String(decoding: try next.contents(of: BootFiles.manifest), as: UTF8.self)
        let shell = try #require(GrubEnvironment(["title": "t", "cmdline": "init=/bin/sh"]).bytes)
        for (name, content) in [(BootFiles.initrd, [UInt8]("another".utf8)), (BootFiles.bootText, shell)] {
            let old = try #require(next.manifest.files.first { $0.name == name })
            let forged = text.replacing("file \(name) \(old.length) \(old.digest)", with: "file \(name) \(content.count) \(BankManifest.digest(of: content[...]))")
            #expect(forged != text)
            let files = try next.manifest.files.map { $0.name == name ? content : [UInt8](try next.contents(of: $0.name)) }
            let bundle = FirmwareBundle.encode(manifest: Array(forged.utf8), files: files)
            #expect(try refusal(answer(bundle, running: running))?.contains("the files that BIOS starts are not those") == true, "\(name)")
        }
        // Its certificate on another program.
        let program = try next.contents(of: BootFiles.program)
        var changed = [UInt8](program)
        changed[program.count / 2] ^= 1
        let old = "file \(BootFiles.program) \(program.count) "
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(old) })
        let forged = text.replacing(line, with: old + BankManifest.digest(of: changed[...]))
        let files = try next.manifest.files.map { $0.name == BootFiles.program ? changed : [UInt8](try next.contents(of: $0.name)) }
        #expect(try refusal(answer(FirmwareBundle.encode(manifest: Array(forged.utf8), files: files), running: running))?.contains("not signed by the key") == true)
    }
}
