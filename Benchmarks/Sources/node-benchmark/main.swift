import Platform
import Coherence
import Glibc
import KVM
import Interconnect
import LoopbackCalibration

// Two promises of the specification as ratios within one run, and what memory a page costs beside itself.
// usage: node-benchmark [--check] [one-node] [remote-fault] [memory]
//   --check fails when a ratio is above its goal.
//   memory only when it is named.

var words = Array(CommandLine.arguments.dropFirst())
if words.first == "--owner" {
    keepToProcessor(1)
    guard let wire = words.dropFirst().first.flatMap(Wire.init) else { fail("--owner says what protects the wire") }
    try RemoteFault.runOwner(wire, ports: words.dropFirst(2).compactMap { UInt16($0) })
    exit(0)
}
let isCheck = words.contains("--check")
words.removeAll { $0 == "--check" }
guard words.allSatisfy({ ["one-node", "remote-fault", "memory"].contains($0) }) else {
    print("usage: node-benchmark [--check] [one-node] [remote-fault] [memory]")
    exit(64)
}
guard unsafe access("/dev/kvm", R_OK | W_OK) == 0 else {
    print("node-benchmark: skipped, /dev/kvm is absent or not ours")
    exit(75)
}
let all = words.isEmpty
let wantsRemoteFault = all || words.contains("remote-fault")
let hasTwoProcessors = sysconf(Int32(_SC_NPROCESSORS_ONLN)) > 1
var isGood = true

if all || words.contains("one-node") {
    for figures in try OneNode.measure(repetitions: 21, firstTouches: 9) {
        let (plain, coherent, ratio) = (Spread(figures.plain), Spread(figures.coherent), Spread(figures.ratios))
        print(
            "one node, \(figures.name): \(digits(plain.median / 1e6, 2)) ms without coherence, "
                + "\(digits(coherent.median / 1e6, 2)) ms with it, ratio \(digits(ratio.median, 2)) "
                + "(middle half \(digits(ratio.quarters.0, 2)) to \(digits(ratio.quarters.1, 2)), \(figures.ratios.count) runs; below 1.10)")
        isGood = isGood && ratio.median < 1.1
    }
}
if wantsRemoteFault, hasTwoProcessors {
    let request = Connection.frameLength(body: Message.encodedSize, payload: 0)
    let reply = Connection.frameLength(body: Message.encodedSize, payload: PageNumber.size)
    let calibration = try Calibration.measure()
    // Each node keeps to a processor of its own, as boards have their own; so do the ends of the ping-pong that counts.
    keepToProcessor(0)
    let fault = try RemoteFault(.encrypted)
    // The same machine again with another wire, each in turn with the others.
    let others = try [Wire.plain, .authenticated].map { (wire: $0, fault: try RemoteFault($0)) }
    var otherReads = others.map { _ in Times() }
    let together = try PingPong(request: request, reply: reply, isApart: false)
    let apart = try PingPong(request: request, reply: reply, isApart: true)
    var (local, read, write, shared, separate) = (Times(), Times(), Times(), Times(), Times())
    for _ in 0..<RemoteFault.runs {
        fault.run(local: &local, read: &read, write: &write)
        for index in others.indices {
            var (local, write) = (Times(), Times())
            others[index].fault.run(local: &local, read: &otherReads[index], write: &write)
        }
        shared.add(together.run(Int(RemoteFault.accessesPerRun)))
        separate.add(apart.run(Int(RemoteFault.accessesPerRun)))
    }
    together.stop()
    apart.stop()
    let expected = read.count + write.count
    guard fault.remoteFaults == expected else { fail("\(fault.remoteFaults) remote faults, expected \(expected)") }
    func line(_ name: String, _ times: Times) {
        print("\(name): p50 \(digits(times.percentile(50) / 1000)) us, p99 \(digits(times.percentile(99) / 1000)) us, \(times.count) samples")
    }
    line("TCP ping-pong of \(request) and \(reply) bytes, a processor for each end, as nodes have", separate)
    line("the same with both ends on one processor", shared)
    line("fault that the node itself resolves (no message)", local)
    line("remote read fault as the guest sees it", read)
    line("remote write fault as the guest sees it", write)
    print("of it from reading the event to waking the processor: mean \(digits(fault.meanInLoop / 1000)) us of \(digits(read.mean / 1000))")
    func ratio(_ wire: Times, _ percent: Double) -> Double { read.percentile(percent) / wire.percentile(percent) }
    print(
        "remote read fault against TCP ping-pong: \(digits(ratio(separate, 50), 2)) at p50 (at most 3), "
            + "\(digits(ratio(separate, 99), 2)) at p99; with both ends of the ping-pong on one processor "
            + "\(digits(ratio(shared, 50), 2)) and \(digits(ratio(shared, 99), 2))")
    isGood = isGood && ratio(separate, 50) <= 3
    let faults = Double(expected)
    for (other, times) in zip(others, otherReads) {
        line("remote read fault, frames \(other.wire)", times)
        print(
            "encrypted against \(other.wire): \(digits(read.percentile(50) / times.percentile(50), 2)) at p50, "
                + "\(digits(read.percentile(99) / times.percentile(99), 2)) at p99; "
                + "\(digits(Double(fault.bytes) / faults, 0)) and \(digits(Double(other.fault.bytes) / faults, 0)) bytes a fault")
        try other.fault.stop()
    }
    let price = read.percentile(50) / otherReads[0].percentile(50)
    print("encryption costs a remote read fault \(digits(price, 2)) of a plain one (at most 1.05)")
    isGood = isGood && price <= 1.05
    let worst = try Prediction(calibration).printTable(local: local, read: read, write: write)
    isGood = isGood && worst <= 2
    try fault.stop()
}
if words.contains("memory") { try MemoryTable.print() }
if isCheck && !isGood { fail("a ratio is above its goal") }
if wantsRemoteFault, !hasTwoProcessors {
    print("node-benchmark: remote-fault skipped, two nodes need two processors")
    exit(75)
}
