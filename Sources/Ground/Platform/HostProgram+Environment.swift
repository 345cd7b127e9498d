internal import Glibc

extension HostProgram {
    /// What a program takes for the present where it writes a date: 2020-01-01T00:00:00Z, which FAT can hold
    /// (https://reproducible-builds.org/specs/source-date-epoch/).
    package static let sourceDate = 1_577_836_800

    /// Where programs, temporary files, proxies and apt's archives are is the user's; all else is the same for everybody.
    package static func neutralEnvironment(of user: [String: String]) -> [String: String] {
        user.filter { name, _ in
            name == "PATH" || name == "TMPDIR" || name.lowercased().hasSuffix("_proxy") || name.hasPrefix("APT_")
        }.merging(pinned) { $1 }
    }

    private static let pinned = [
        "LC_ALL": "C", "TZ": "UTC", "SOURCE_DATE_EPOCH": String(sourceDate),
        // Programs look there for files such as ~/.mtoolsrc.
        "HOME": "/nonexistent", "MTOOLSRC": "/dev/null",
        // mtools(5): these win over /etc/mtools.conf.
        "MTOOLS_SKIP_CHECK": "1", "MTOOLS_FAT_COMPATIBILITY": "0", "MTOOLS_LOWER_CASE": "0", "MTOOLS_NO_VFAT": "0", "MTOOLS_DOTTED_DIR": "0",
        "MTOOLS_NAME_NUMERIC_TAIL": "1", "MTOOLS_TWENTY_FOUR_HOUR_CLOCK": "1", "MTOOLS_DATE_STRING": "yyyy-mm-dd",
    ]

    var environment: [String: String] {
        switch surroundings {
        case .neutral: Self.neutralEnvironment(of: Self.ownEnvironment)
        case .user: Self.ownEnvironment
        }
    }

    /// This process's environment.
    static var ownEnvironment: [String: String] {
        var variables: [String: String] = [:]
        // SAFETY: `environ` is a list of C strings that ends with nil; nothing in this SDK changes it.
        var entry = unsafe environ
        while let text = unsafe entry.pointee {
            let parts = unsafe String(cString: text).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { variables[String(parts[0])] = String(parts[1]) }
            unsafe entry += 1
        }
        return variables
    }
}
