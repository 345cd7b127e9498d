/// What the machine adds to the guest's kernel command line, each with its reason, before the operator's own text
/// (which comes last, so that it wins).
package enum GuestCommandLine {
    package struct Addition: Sendable, Equatable {
        package let text: String
        package let reason: String
    }

    /// - Parameters:
    ///   - tscKHz: guest TSC frequency.
    ///   - ticksPerSecond: the guest kernel's CONFIG_HZ if known (250 for Debian). A wrong value would make its short
    ///     delays wrong.
    package static func additions(tscKHz: UInt64, ticksPerSecond: UInt64? = nil) -> [Addition] {
        let delay = ticksPerSecond.map { hz in
            Addition(
                text: "lpj=\(tscKHz * 1000 / hz)",
                reason: "the first processor of each package otherwise counts ticks that another node's processor "
                    + "writes, for 60 ms or more, and may fail")
        }
        return always(tscKHz: tscKHz) + (delay.map { [$0] } ?? [])
    }

    private static func always(tscKHz: UInt64) -> [Addition] {
        [
            Addition(
                text: "console=ttyS0,115200",
                reason: "the serial port of node 0 is the machine's only console"),
            Addition(
                text: "tsc_early_khz=\(tscKHz)",
                reason: "calibrating against a timer whose accesses are exits to another node measures the network"),
            Addition(
                text: "tsc=reliable",
                reason: "the nodes keep the counters aligned; without it Linux runs its warp test and a watchdog "
                    + "against the ACPI timer, a device on node 0, and would drop the counter on a late answer"),
            Addition(
                text: "pmtmr=0",
                reason: "Linux refines the frequency against this timer and, when the reads take long, repeats that "
                    + "for ever and stays without high-resolution timers; the port remains in the FADT for others"),
            Addition(
                text: "numa_balancing=disable",
                reason: "it unmaps pages to sample accesses and copies them between boards over the wire"),
            Addition(
                text: "transparent_hugepage=never",
                reason: "coherence works on 4 KiB; clearing or collapsing 2 MiB moves 512 pages at once"),
            Addition(
                text: "no_timer_check",
                reason: "the test of the 8254's interrupt loops on a counter that other nodes read late"),
            Addition(
                text: "skew_tick=1",
                reason: "ticks of all processors at the same moment contend for the timekeeper's page"),
            Addition(
                text: "idle=halt",
                reason: "the polling idle states write the idle thread's flags and the governor reads the clock, in pages "
                    + "that other nodes use, at every wake-up"),
            Addition(
                text: "relax_domain_level=2",
                reason: "a processor that becomes idle otherwise searches the other boards' run queues at a remote fault "
                    + "each, and pulls threads away from their memory; periodic balancing still spreads load"),
            Addition(
                text: "psi=0",
                reason: "pressure accounting runs a timer on every processor that reads all others' counters"),
            Addition(
                text: "nowatchdog",
                reason: "the soft lock-up detector takes a remote page fault for a stuck processor"),
            Addition(
                text: "rcupdate.rcu_cpu_stall_timeout=300",
                reason: "the same for RCU's stall detector"),
            Addition(
                text: "panic=-1",
                reason: "a panicking guest resets at once, and the nodes see it end"),
        ]
    }

    package static func make(tscKHz: UInt64, ticksPerSecond: UInt64? = nil, operatorText: String) -> String {
        let own = additions(tscKHz: tscKHz, ticksPerSecond: ticksPerSecond).map(\.text).joined(separator: " ")
        let text = operatorText.split(whereSeparator: { $0 == "\n" || $0 == "\r" || $0 == " " || $0 == "\t" })
        return text.isEmpty ? own : own + " " + text.joined(separator: " ")
    }
}
