import ArgumentParser
import Provisioning

/// Where the records of a command's sticks go.
struct LogOption: ParsableArguments {
    @Option(name: .customLong("log"), help: ArgumentHelp("Add a record for each stick to this factory log. Default: the station file's, if it names one.", valueName: "file"))
    var file: String?

    func path(_ station: StationFile?) -> String? { file ?? station?.log }
}
