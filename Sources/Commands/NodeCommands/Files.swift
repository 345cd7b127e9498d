import Glibc

/// A whole file, or nil when it cannot be read.
func readFile(_ path: String) -> [UInt8]? {
    let fd = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard fd >= 0 else { return nil }
    defer { close(fd) }
    var bytes: [UInt8] = []
    var status = stat()
    if unsafe fstat(fd, &status) == 0, status.st_size > 0 { bytes.reserveCapacity(Int(status.st_size)) }
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    while true {
        let count = unsafe buffer.withUnsafeMutableBytes { unsafe read(fd, $0.baseAddress, $0.count) }
        if count < 0 { return nil }
        if count == 0 { return bytes }
        bytes.append(contentsOf: buffer[..<count])
    }
}

func readText(_ path: String) -> String? { readFile(path).map { String(decoding: $0, as: UTF8.self) } }

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
