import Contract
internal import Foundation
internal import BoardSupport

/// The image has no shared libraries, so a dynamically linked `vsmpd` would only fail on the board.
enum NodeExecutable {
    static func check(_ content: Data, path: String) throws(ImageError) {
        if content.starts(with: Data("#!".utf8)) { return }
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
