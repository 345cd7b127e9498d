internal import Coherence

/// A property's value: what a description states, or what a computer answers.
public enum BoardAnswer: Sendable, Equatable, Codable {
    case number(Int)
    case numbers([Int])
    case texts([String])

    /// As a person would write it in source.
    var sourceText: String {
        func quoted(_ text: String) -> String {
            "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
        return switch self {
        case .number(let number): "<\(number)>"
        case .numbers(let numbers): "<" + numbers.map(String.init).joined(separator: " ") + ">"
        case .texts(let texts): texts.map(quoted).joined(separator: ", ")
        }
    }
}

/// What a board keeps of a property.
protocol BoardField: SendableMetatype {
    /// Nil for an answer of another kind.
    init?(_ answer: BoardAnswer)
    /// Nil when nothing is stated.
    var answer: BoardAnswer? { get }
}

extension Int: BoardField {
    init?(_ answer: BoardAnswer) {
        guard case .number(let number) = answer else { return nil }
        self = number
    }

    var answer: BoardAnswer? { .number(self) }
}

extension String: BoardField {
    init?(_ answer: BoardAnswer) {
        guard case .texts(let texts) = answer, texts.count == 1 else { return nil }
        self = texts[0]
    }

    var answer: BoardAnswer? { .texts([self]) }
}

extension BoardField where Self: RawRepresentable, RawValue == String {
    init?(_ answer: BoardAnswer) {
        guard let word = String(answer) else { return nil }
        self.init(rawValue: word)
    }

    var answer: BoardAnswer? { rawValue.answer }
}

extension Board.Status: BoardField {}
extension Board.Technology: BoardField {}
extension Board.VerbsDriver: BoardField {}
extension Board.SubnetManager: BoardField {}
extension Board.PlatformFirmware: BoardField {}

extension Array: BoardField where Element: BoardField {
    init?(_ answer: BoardAnswer) {
        switch answer {
        case .number: return nil
        case .numbers(let numbers): self = numbers.compactMap { Element(.number($0)) }
        case .texts(let texts): self = texts.compactMap { Element(.texts([$0])) }
        }
    }

    var answer: BoardAnswer? {
        let answers = compactMap(\.answer)
        guard let first = answers.first else { return nil }
        if case .number = first { return .numbers(answers.compactMap { Int($0) }) }
        return .texts(answers.compactMap { String($0) })
    }
}

extension Optional: BoardField where Wrapped: BoardField {
    init?(_ answer: BoardAnswer) { self = Wrapped(answer) }

    var answer: BoardAnswer? { flatMap(\.answer) }
}

extension PolicySet: BoardField {
    init?(_ answer: BoardAnswer) {
        guard case .texts(let words) = answer, let policies = try? PolicySet(words: words) else { return nil }
        self = policies
    }

    var answer: BoardAnswer? { .texts(memberNames) }
}
