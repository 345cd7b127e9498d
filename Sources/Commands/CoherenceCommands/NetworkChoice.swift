import ArgumentParser
import CoherenceSimulation

/// What `--network` names: a model of the program's own, or a file with one.
enum NetworkChoice: ExpressibleByArgument, Equatable {
    case known(NetworkModel)
    case file(String)

    /// A file's name has a slash or ends with `.json`, so that a misspelt network is a mistake of the command line.
    init?(argument: String) {
        if let model = NetworkModel.all.first(where: { $0.name == argument }) {
            self = .known(model)
        } else if argument.contains("/") || argument.hasSuffix(".json") {
            self = .file(argument)
        } else {
            return nil
        }
    }

    static let help: ArgumentHelp =
        "The network: \(NetworkModel.all.map(\.name).joined(separator: ", ")), or a file with a model (FILE.json, made by calibrate)."

    var defaultValueDescription: String {
        switch self {
        case .known(let model): model.name
        case .file(let path): path
        }
    }

    func load() throws -> NetworkModel {
        switch self {
        case .known(let model): model
        case .file(let path): try NetworkModelFile.read(path)
        }
    }
}
