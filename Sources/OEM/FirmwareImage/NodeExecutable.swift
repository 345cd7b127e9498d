import Contract
internal import Foundation
internal import BoardSupport
internal import Platform

/// The image has no shared libraries, so a dynamically linked `vsmpd` would only fail on the board.
enum NodeExecutable {
    /// The program without its symbols, which no board reads and which are more than half of it. The file that was built keeps them: a debugger
    /// finds it by the build ID that both have.
    static func stripped(_ content: Data) throws(ImageError) -> Data {
        if isScript(content) { return content }
        let scratch = try Scratch("strip")
        let (input, output) = (scratch.url.appendingPathComponent("vsmpd"), scratch.url.appendingPathComponent("stripped"))
        try write(content, to: input)
        try HostProgram("strip").data(["--strip-all", "-o", output.path, input.path])
        return try read(output)
    }

    private static func isScript(_ content: Data) -> Bool { content.starts(with: Data("#!".utf8)) }

    static func check(_ content: Data, path: String) throws(ImageError) {
        if isScript(content) { return }
        func number(_ offset: Int, _ size: Int) -> Int? {
            guard offset >= 0, offset <= content.count - size else { return nil }
            return content.dropFirst(offset).prefix(size).reversed().reduce(0) { $0 << 8 | Int($1) }
        }
        // ELF-64: e_machine 62 is x86-64, program header type 3 is PT_INTERP.
        guard content.starts(with: [0x7f, 0x45, 0x4c, 0x46, 2]), number(0x12, 2) == 62,
            let table = number(0x20, 4), let size = number(0x36, 2), let count = number(0x38, 2)
        else { throw ImageError(.badInput, "\(path) is neither an x86-64 executable nor a script") }
        guard !(0..<count).contains(where: { number(table + $0 * size, 4) == 3 }) else {
            throw ImageError(
                .badInput,
                "\(path) is dynamically linked, and the image holds no shared libraries: build it with "
                    + "swift build -c release --product vsmpd")
        }
    }
}
