internal import Contract

/// One way in which a machine is not what its licence permits.
public struct Violation: Sendable, Equatable, CustomStringConvertible {
    /// Stable names for messages, documents and programs; docs/licensing.md lists them.
    public enum Code: String, Sendable, CaseIterable {
        case noLicence = "L101"
        case damaged = "L102"
        case untrusted = "L103"
        case denied = "L104"
        case denyListTooOld = "L105"
        case mixture = "L106"
        case severalLicences = "L107"
        case noRoot = "L108"
        case clockNotSet = "L201"
        case expired = "L202"
        case tooFewNodes = "L301"
        case tooManyNodes = "L302"
        case tooFewSocketsInNode = "L303"
        case tooManySocketsInNode = "L304"
        case tooFewSockets = "L305"
        case tooManySockets = "L306"
        case tooFewCores = "L307"
        case tooManyCores = "L308"
        case tooLittleMemory = "L309"
        case tooMuchMemory = "L310"
        case interconnect = "L311"
        case feature = "L312"
        case model = "L401"
        case board = "L402"
        case tpm = "L403"
        case stick = "L404"
        case quorum = "L405"
        case statement = "L501"
    }

    public let code: Code
    /// What is limited, as in "nodes".
    public let limit: String
    public let have: String
    public let need: String
    public let remedy: String

    public init(_ code: Code, _ limit: String, have: String, need: String, remedy: String) {
        self.code = code
        self.limit = limit
        self.have = have
        self.need = need
        self.remedy = remedy
    }

    public var description: String { ConsoleEvent.licence(code: code.rawValue, why: "\(limit): have \(have); need \(need); \(remedy)").description }
}

/// Every reason why a machine does not start under its licence.
public struct LicenceRefusal: Error, Sendable, Equatable, CustomStringConvertible {
    public let violations: [Violation]

    public init(_ violations: [Violation]) { self.violations = violations }
    public init(_ violation: Violation) { violations = [violation] }

    public var description: String { violations.map(\.description).joined(separator: "\n") }
}

extension Violation {
    static let install = "put the licence file as license.vsl on the partition VSMP-CONFIG of every stick, or run: vsmp license install"

    public static func noLicence() -> Violation { Violation(.noLicence, "licence", have: "none", need: "one licence", remedy: install) }

    /// A file of licensing that cannot be read.
    public static func damaged(_ error: LicensingError) -> Violation {
        Violation(.damaged, "licence file", have: error.description, need: "the file as it was sent", remedy: "copy the file again from where it came")
    }

    /// An image without the vendor's root key accepts nobody's licence.
    public static func noRoot() -> Violation {
        Violation(
            .noRoot, "root key", have: "an image without a licence root", need: "an image of the vendor who issued the licence",
            remedy: "build the image with vsmp image build --license-root")
    }

    /// What a node stated of itself makes no sense, or not the same twice.
    public static func statement(_ have: String, need: String) -> Violation {
        Violation(.statement, "statement", have: have, need: need, remedy: "write every stick from one image; a node that states what is not so was changed")
    }

    static func untrusted(_ have: String, _ need: String, _ remedy: String) -> Violation {
        Violation(.untrusted, "signature", have: have, need: need, remedy: remedy)
    }

    static func denied(_ what: String, list: DenyListRank?) -> Violation {
        Violation(
            .denied, "deny list", have: "\(what), which the deny list names (\(list.map(String.init(describing:)) ?? "none"))", need: "one that was not withdrawn",
            remedy: "ask the OEM for a new licence")
    }

    static func denyListTooOld(have: DenyListRank?, need: DenyListRank) -> Violation {
        Violation(
            .denyListTooOld, "deny list", have: have.map(String.init(describing:)) ?? "none", need: "\(need) or newer, which this board has seen",
            remedy: "put the newest deny list as deny.vsl on the partition VSMP-CONFIG")
    }

    static func severalLicences(_ ids: [String]) -> Violation {
        Violation(.severalLicences, "licence", have: ids.joined(separator: " and "), need: "one licence", remedy: "leave only one licence file on the stick")
    }
}
