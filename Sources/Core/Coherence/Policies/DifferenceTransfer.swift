/// The driver's: of a page that both ends of a connection know only what has changed travels. The engine does not see it.
///
/// Source: twins and differences (J. Carter, J. Bennett and W. Zwaenepoel, "Implementation and Performance of Munin", SOSP 1991).
enum DifferenceTransfer {}

extension PolicySet {
    /// `DifferenceTransfer`
    public static let differenceTransfer = PolicySet(bit: 13)
}

extension DifferenceTransfer {
    static var description: PolicyDescription {
        PolicyDescription(
            .differenceTransfer, "difference-transfer",
            """
            both ends of a connection remember the pages that went over it last (`TransferHistory`, 32 MiB a \
            node): of those only the changed lines of 64 bytes travel, of others those that are not zero, where \
            that is shorter
            """,
            counters: ["differences_sent", "bytes_spared"])
    }
}
