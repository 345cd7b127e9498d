/// The first page of those that came in advance is kept back, unmapped: the processor that comes to it gets it at once, and its stream asks
/// for the next pages while the processor goes through these.
///
/// Source: the marked page of Linux file readahead (F. Wu et al., "On the Design of a New Linux Readahead Framework", ACM SIGOPS
/// Operating Systems Review 42(5), 2008).
struct AsynchronousPrefetch {
    let isOn: Bool

    init(_ policies: PolicySet) { isOn = policies.contains(.asynchronousPrefetch) }
}
