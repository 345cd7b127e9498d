internal import Contract

/// What the vsmpd of a node answers to `vsmp machine`: `ok` and a new line before what it says, or `error`, the exit status and why not.
enum StatAnswer: Equatable {
    case said(String)
    case refused(ExitStatus, String)

    init?(text: String) {
        guard let end = text.firstIndex(of: "\n") else { return nil }
        if text[..<end] == "ok" {
            self = .said(String(text[text.index(after: end)...]))
            return
        }
        let words = text[..<end].split(separator: " ", maxSplits: 2)
        guard words.count == 3, words[0] == "error", let status = Int32(words[1]).flatMap(ExitStatus.init) else { return nil }
        self = .refused(status, String(words[2]))
    }

    var text: String {
        switch self {
        case .said(let text): "ok\n\(text)"
        case .refused(let status, let why): "error \(status.rawValue) \(why.split(whereSeparator: \.isNewline).joined(separator: " "))\n"
        }
    }
}
