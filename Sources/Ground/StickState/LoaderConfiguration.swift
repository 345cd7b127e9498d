/// systemd-boot's `loader.conf` as these sticks have it: no waiting, no editing, and possibly a bank that goes first.
///
/// Its length never changes, so that choosing a bank rewrites one sector in place.
public struct LoaderConfiguration: Sendable, Equatable {
    public static let path = "loader/loader.conf"
    private static let settings = "timeout 0\neditor no\n"

    /// The bank that is started whatever its version; nil leaves the choice to systemd-boot: the newest that is not bad.
    public var preferred: Bank?

    public init(preferred: Bank? = nil) { self.preferred = preferred }

    /// Nil for any other content.
    public init?(_ bytes: some Collection<UInt8>) {
        guard let found = [nil, Bank.a, .b].first(where: { LoaderConfiguration(preferred: $0).bytes.elementsEqual(bytes) }) else { return nil }
        preferred = found
    }

    public var bytes: [UInt8] {
        let line = preferred.map { " default vsmp-\($0.rawValue)*.efi\n" } ?? "#default vsmp-a*.efi\n"
        return Array((Self.settings + line).utf8)
    }
}
