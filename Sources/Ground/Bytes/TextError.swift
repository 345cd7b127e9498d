/// A mistake in a text: which text, which line (nil: the whole of it), what, and what to do about it.
package struct TextError: Error, Sendable, Equatable, CustomStringConvertible {
    /// A file's name or path.
    package let place: String
    package let line: Int?
    package let problem: String

    package init(_ place: String, line: Int? = nil, _ problem: String) {
        self.place = place
        self.line = line
        self.problem = problem
    }

    /// `file:line`, as compilers write it.
    package var location: String { line.map { "\(place):\($0)" } ?? place }

    package var description: String { "\(location): \(problem)" }
}
