@testable import TrustedPlatform

/// Answers with what was recorded, in its order, and keeps what it was sent.
struct FakeChannel: TPMChannel, ~Copyable {
    final class Record {
        var sent: [[UInt8]] = []
        var pauses: [Int] = []
    }

    var answers: [[UInt8]]
    let record: Record

    init(_ answers: [[UInt8]], _ record: Record = Record()) {
        self.answers = answers
        self.record = record
    }

    mutating func exchange(_ command: [UInt8]) throws(TPMError) -> [UInt8] {
        record.sent.append(command)
        guard !answers.isEmpty else { throw .silent(path: "fake", seconds: 0) }
        return answers.removeFirst()
    }

    mutating func pause(milliseconds: Int) { record.pauses.append(milliseconds) }
}

/// Passes everything on to a real TPM and keeps what it answered.
struct ListeningChannel: TPMChannel, ~Copyable {
    final class Record { var answers: [[UInt8]] = [] }

    var channel: DeviceChannel
    let record: Record

    init(_ channel: consuming DeviceChannel, _ record: Record) {
        self.channel = channel
        self.record = record
    }

    mutating func exchange(_ command: [UInt8]) throws(TPMError) -> [UInt8] {
        let answer = try channel.exchange(command)
        record.answers.append(answer)
        return answer
    }

    mutating func pause(milliseconds: Int) { channel.pause(milliseconds: milliseconds) }
}

/// Bytes from hexadecimal digits, white space left out.
func hex(_ text: String) -> [UInt8] {
    let digits = text.filter { !$0.isWhitespace }.map { UInt8($0.hexDigitValue ?? 0) }
    return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// The error that `body` throws.
func tpmError(_ body: () throws(TPMError) -> Void) -> TPMError? {
    do throws(TPMError) {
        try body()
        return nil
    } catch {
        return error
    }
}
