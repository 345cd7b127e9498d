internal import BoardSupport
import Contract
package import Foundation
package import Platform

/// What goes wrong with a program that an image is made with is an ``ImageError``.
extension HostProgram {
    /// Runs it and returns its standard output.
    ///
    /// - Throws: `unavailable` when the tool is not installed, `inputOutput` with its last error lines when it fails, `cannotCreate` when the folder for
    ///   temporary files is full.
    @discardableResult
    package func data(_ arguments: [String], input: Data = Data(), in directory: URL? = nil) throws(ImageError) -> Data {
        do { return Data(try run(arguments, input: Array(input), in: directory?.path)) } catch { throw ImageError(error) }
    }

    /// Runs it and does not judge its end.
    func result(_ arguments: [String], data: Data) throws(ImageError) -> Result {
        do { return try result(arguments, input: Array(data)) } catch { throw ImageError(error) }
    }

    /// The tool's version as it states it, for example `2.06-13+deb12u2`.
    func version() throws(ImageError) -> String {
        var program = self
        // mkfs.fat says it when it has something to do, whatever comes of that. A user's compiler may be found through settings of the user's.
        if name == "swiftc" { program.surroundings = .user }
        let result = try program.result(name == "mkfs.fat" ? ["/dev/null"] : ["--version"], data: Data())
        let words = String(decoding: result.output + result.errors, as: UTF8.self).split(whereSeparator: { " \n,()*:".contains($0) })
            .map { $0.hasPrefix("v") ? $0.dropFirst() : $0 }
        guard let version = words.first(where: { $0.first?.isNumber == true && $0.contains(".") }) else {
            throw ImageError(.unavailable, "\(name) does not state its version: install the package \(package) again")
        }
        return String(version)
    }
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
