internal import BoardSupport
import Contract
package import Foundation
internal import Platform

/// Host programs for the image: what goes wrong with one is an ``ImageError``.
package enum HostTool {
    /// The time stamp of everything inside an image.
    package static let timestamp = HostProgram.sourceDate

    /// Runs `name` and returns its standard output.
    ///
    /// - Throws: `unavailable` when the tool is not installed, `inputOutput` with its last error lines when it fails, `cannotCreate` when the folder for
    ///   temporary files is full.
    @discardableResult
    package static func run(_ name: String, _ arguments: [String], input: Data? = nil, in directory: URL? = nil) throws(ImageError) -> Data {
        do {
            return Data(try HostProgram(name).run(arguments, input: Array(input ?? Data()), in: directory?.path))
        } catch {
            throw ImageError(error)
        }
    }

    /// Runs `name` and does not judge its end.
    ///
    /// - Parameter surroundings: `user` for the user's own environment and terminal.
    static func result(
        _ name: String, _ arguments: [String], input: Data? = nil, _ surroundings: HostProgram.Surroundings = .neutral,
        limits: HostProgram.Limits = .init()
    ) throws(ImageError) -> HostProgram.Result {
        do {
            return try HostProgram(name, surroundings, limits: limits).result(arguments, input: Array(input ?? Data()))
        } catch {
            throw ImageError(error)
        }
    }

    /// A tool's version as it states it, for example `2.06-13+deb12u2`.
    static func version(of name: String) throws(ImageError) -> String {
        // mkfs.fat says it when it has something to do, whatever comes of that. A user's compiler may be found through settings of the user's.
        let result = try result(name, name == "mkfs.fat" ? ["/dev/null"] : ["--version"], name == "swiftc" ? .user : .neutral)
        let words = String(decoding: result.output + result.errors, as: UTF8.self).split(whereSeparator: { " \n,()*:".contains($0) })
            .map { $0.hasPrefix("v") ? $0.dropFirst() : $0 }
        guard let version = words.first(where: { $0.first?.isNumber == true && $0.contains(".") }) else {
            throw ImageError(.unavailable, "\(name) does not state its version: install the package \(HostProgram(name).package) again")
        }
        return String(version)
    }

    package static func locate(_ name: String) -> URL? { HostProgram.locate(name).map { URL(fileURLWithPath: $0) } }
}

extension ImageError {
    init(_ error: HostProgramError) {
        // A full folder makes programs fail in many words; whatever they said, this is why.
        if let shortage = TemporaryFolder.shortage {
            self.init(shortage)
            return
        }
        let status: ExitStatus =
            switch error.reason {
            case .notInstalled, .cannotStart: .unavailable
            case .failed, .limit: .inputOutput
            }
        self.init(status, error.description)
    }

    init(_ error: TemporaryFolderError) { self.init(.cannotCreate, error.description) }
}

/// A private folder that disappears with the value.
package struct Scratch: Sendable {
    private let folder: TemporaryFolder
    package var url: URL { URL(fileURLWithPath: folder.path) }

    package init(_ purpose: String) throws(ImageError) {
        do { folder = try TemporaryFolder(purpose) } catch { throw ImageError(error) }
    }
}
