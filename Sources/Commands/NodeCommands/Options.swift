/// Options of the form `--name value`; every name may come several times.
struct Options {
    private var values: [(name: String, value: String)] = []

    enum Problem: Error, CustomStringConvertible {
        case unknown(String)
        case valueMissing(String)
        case missing(String)

        var description: String {
            switch self {
            case .unknown(let name): "unknown option '\(name)'; see vsmpd --help"
            case .valueMissing(let name): "\(name) needs a value; see vsmpd --help"
            case .missing(let name): "\(name) is required; see vsmpd --help"
            }
        }
    }

    init(_ arguments: [String], known: Set<String>) throws(Problem) {
        var index = 0
        while index < arguments.count {
            let name = arguments[index]
            guard known.contains(name) else { throw .unknown(name) }
            guard index + 1 < arguments.count else { throw .valueMissing(name) }
            values.append((name, arguments[index + 1]))
            index += 2
        }
    }

    func all(_ name: String) -> [String] { values.filter { $0.name == name }.map(\.value) }
    func last(_ name: String) -> String? { all(name).last }
    func required(_ name: String) throws(Problem) -> String {
        guard let value = last(name) else { throw .missing(name) }
        return value
    }
}
