import CommandParsing
import Contract
import CoherenceSimulation
import Foundation
internal import Platform

/// A network model in a file: JSON, docs/coherence-simulation.md has its form.
struct NetworkModelFile: Codable, Equatable {
    static let currentFormat = "vsmp-network-model 1"

    var format = Self.currentFormat
    var name: String
    /// What the figures are of, for people.
    var measuredOn: String?
    var bandwidth: UInt64
    var framing: UInt64
    var wire: UInt64
    var sendOverhead: UInt64
    var receiveOverhead: UInt64
    var trap: UInt64
    var wake: UInt64
    var pageOperation: UInt64

    enum CodingKeys: String, CodingKey, CaseIterable {
        case format, name
        case measuredOn = "measured_on"
        case bandwidth = "bandwidth_bytes_per_second"
        case framing = "framing_bytes"
        case wire = "wire_ns"
        case sendOverhead = "send_overhead_ns"
        case receiveOverhead = "receive_overhead_ns"
        case trap = "trap_ns"
        case wake = "wake_ns"
        case pageOperation = "page_operation_ns"
    }

    init(_ model: NetworkModel, measuredOn: String?) {
        name = model.name
        self.measuredOn = measuredOn
        bandwidth = model.bandwidth
        framing = model.framing
        wire = model.wire
        sendOverhead = model.sendOverhead
        receiveOverhead = model.receiveOverhead
        trap = model.trap
        wake = model.wake
        pageOperation = model.pageOperation
    }

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        // A Double's exact whole numbers reach further than every limit here, and its errors name the key.
        func number(_ key: CodingKeys) throws -> UInt64 {
            guard let number = UInt64(exactly: try values.decode(Double.self, forKey: key)) else {
                throw DecodingError.dataCorruptedError(forKey: key, in: values, debugDescription: "no whole number")
            }
            return number
        }
        format = try values.decode(String.self, forKey: .format)
        name = try values.decode(String.self, forKey: .name)
        measuredOn = try values.decodeIfPresent(String.self, forKey: .measuredOn)
        bandwidth = try number(.bandwidth)
        framing = try number(.framing)
        wire = try number(.wire)
        sendOverhead = try number(.sendOverhead)
        receiveOverhead = try number(.receiveOverhead)
        trap = try number(.trap)
        wake = try number(.wake)
        pageOperation = try number(.pageOperation)
    }

    var model: NetworkModel {
        NetworkModel(
            name: name, wire: wire, bandwidth: bandwidth, sendOverhead: sendOverhead, receiveOverhead: receiveOverhead,
            framing: framing, trap: trap, wake: wake, pageOperation: pageOperation)
    }

    // MARK: Files

    private static let longestTime: UInt64 = 1_000_000_000
    private static let bandwidths: ClosedRange<UInt64> = 1_000...1_000_000_000_000_000
    private static let largestFraming: UInt64 = 65_535

    /// - Throws: `CommandError` that names the file and what is wrong in it.
    static func read(_ path: String) throws -> NetworkModel {
        let data: Data
        do throws(FileReadError) { data = Data(try WholeFile.readArgument(path)) } catch { throw CommandError(.missingInput, error.description) }
        func wrong(_ text: String) -> CommandError { CommandError(.badInput, "\(path): \(text)") }
        let file: NetworkModelFile
        do {
            file = try JSONDecoder().decode(NetworkModelFile.self, from: data)
        } catch let error as DecodingError {
            throw wrong(explanation(error))
        }
        guard file.format == currentFormat else { throw wrong("format is \"\(file.format)\", this program reads \"\(currentFormat)\"") }
        guard !file.name.isEmpty, file.name.count <= 32, file.name.unicodeScalars.allSatisfy({ (0x21...0x7E).contains($0.value) }) else {
            throw wrong("name: give 1 to 32 printable characters without blanks")
        }
        guard bandwidths.contains(file.bandwidth) else {
            throw wrong("\(CodingKeys.bandwidth.rawValue) \(file.bandwidth): give \(bandwidths.lowerBound) to \(bandwidths.upperBound)")
        }
        guard file.framing <= largestFraming else {
            throw wrong("\(CodingKeys.framing.rawValue) \(file.framing): give 0 to \(largestFraming)")
        }
        let times: [(CodingKeys, UInt64)] = [
            (.wire, file.wire), (.sendOverhead, file.sendOverhead), (.receiveOverhead, file.receiveOverhead), (.trap, file.trap),
            (.wake, file.wake), (.pageOperation, file.pageOperation),
        ]
        for (key, value) in times where value > longestTime { throw wrong("\(key.rawValue) \(value): give 0 to \(longestTime)") }
        return file.model
    }

    private static func explanation(_ error: DecodingError) -> String {
        switch error {
        case .keyNotFound(let key, _): "\(key.stringValue) is missing"
        case .typeMismatch(_, let context), .valueNotFound(_, let context): unfit(context)
        case .dataCorrupted(let context): context.codingPath.isEmpty ? "it is no JSON" : unfit(context)
        @unknown default: "it is no network model"
        }
    }

    private static func unfit(_ context: DecodingError.Context) -> String {
        guard let key = context.codingPath.last?.stringValue else { return "it is no JSON object" }
        let isText = [CodingKeys.format, .name, .measuredOn].contains { $0.rawValue == key }
        return "\(key): give \(isText ? "a text" : "a whole number, 0 or more")"
    }

    func write(to path: String) throws {
        do {
            try OutputFile.write(Array((try jsonText(self) + "\n").utf8), to: path)
        } catch let error as OutputFileError {
            throw CommandError(.cannotCreate, error.description)
        }
    }
}
