import Bytes
import Testing

@testable import Licensing

@Suite struct ChainTests {
    let shop = try! Shop()
    let second = SecretKey(seed: [UInt8](repeating: 3, count: 32))!
    let third = SecretKey(seed: [UInt8](repeating: 4, count: 32))!
    let later = at("2026-03-01T00:00:00Z")

    func refusal(_ authority: Authority, _ documents: DocumentSet, newest: DenyListRank? = nil) -> [Violation.Code] {
        do throws(LicenceRefusal) {
            _ = try authority.accept(documents, newestDenyList: newest)
            return []
        } catch {
            return error.violations.map(\.code)
        }
    }

    @Test func aLicenceLeadsToTheRoot() throws {
        let accepted = try shop.accepted()
        #expect(accepted.root == shop.root && accepted.grant == shop.grant && accepted.edition.name == "standalone")
        #expect(refusal(Authority(trusting: shop.root), try documents()) == [.noLicence])
        let licence = try shop.licence().envelope
        #expect(refusal(Authority(trusting: shop.root), try documents(licence)) == [.untrusted])
        #expect(refusal(Authority(trusting: shop.root), try documents(licence, shop.licence().envelope, shop.grant.envelope)) == [.severalLicences])
        let stranger = try RootStatement(vendor: "Vendor", key: second, issued: later)
        #expect(refusal(Authority(trusting: stranger), try documents(licence, shop.grant.envelope)) == [.untrusted])
        // Bringing the root along does not make it trusted.
        var authority = Authority(trusting: stranger)
        let brought = try documents(licence, shop.grant.envelope, shop.root.envelope)
        authority.learn(brought)
        #expect(refusal(authority, brought) == [.untrusted])
    }

    /// An OEM cannot grant itself an edition, nor sign with another key than the granted one.
    @Test func onlyTheGrantedKeyIssuesOnlyWhatWasGranted() throws {
        let own = try EditionGrant(
            oem: "Acme Ltd", key: shop.oemKey.publicKey, edition: shippedEdition("embedded-2"), issued: later, notAfter: nil, signedBy: shop.oemKey)
        let licence = try Licence(customer: "C", issued: later, notAfter: nil, under: own, binding: .none, signedBy: shop.oemKey)
        #expect(refusal(Authority(trusting: shop.root), try documents(own.envelope, licence.envelope)) == [.untrusted])
        #expect(throws: LicensingError.self) {
            try Licence(customer: "C", issued: later, notAfter: nil, under: shop.grant, binding: .none, signedBy: second)
        }
        // Another grant of the same OEM does not cover it.
        let other = try EditionGrant(
            oem: "Acme Ltd", key: shop.oemKey.publicKey, edition: shippedEdition("embedded-2"), issued: later, notAfter: nil, signedBy: shop.rootKey)
        #expect(refusal(Authority(trusting: shop.root), try documents(other.envelope, shop.licence().envelope)) == [.untrusted])
    }

    @Test func aGrantsTimeAndAnEditionsLongestRunHold() throws {
        var edition = try shippedEdition("standalone")
        edition.longestDays = 365
        let shop = try Shop(edition, grantEnds: at("2026-12-31T00:00:00Z"))
        #expect(throws: Never.self) { try shop.licence(until: at("2027-02-01T00:00:00Z")) }
        #expect(throws: LicensingError.self) { try shop.licence(until: at("2027-02-01T00:00:01Z")) }
        #expect(throws: LicensingError.self) { try shop.licence() }
        for issued in ["2026-01-01T23:59:59Z", "2026-12-31T00:00:01Z"] {
            #expect(throws: LicensingError.self) { try shop.licence(until: at(issued).adding(days: 1), issued: at(issued)) }
        }
    }

    @Test func aRotatedRootIsSignedByOldAndNew() throws {
        let next = try shop.root.rotated(from: shop.rootKey, to: second, issued: later)
        let afterNext = try next.rotated(from: second, to: third, issued: later)
        let grant = try EditionGrant(oem: "Acme Ltd", key: shop.oemKey.publicKey, edition: shop.grant.edition, issued: later, notAfter: nil, signedBy: third)
        let licence = try Licence(customer: "C", issued: later, notAfter: nil, under: grant, binding: .none, signedBy: shop.oemKey)
        let all = try documents(afterNext.envelope, next.envelope, grant.envelope, licence.envelope)
        var authority = Authority(trusting: shop.root)
        #expect(refusal(authority, all) == [.untrusted])
        authority.learn(all)
        #expect(authority.roots.map(\.sequence) == [1, 2, 3])
        #expect(refusal(authority, all) == [])
        // A link is missing.
        var partial = Authority(trusting: shop.root)
        partial.learn(try documents(afterNext.envelope))
        #expect(partial.roots == [shop.root])
        // Signed by one of the two only, or by another.
        let text = "vendor=Vendor\nsequence=2\nissued=\(later)\nkey=\(second.publicKey)\nprevious=\(shop.rootKey.publicKey)\n"
        for keys in [[shop.rootKey], [second], [second, shop.rootKey], [third, second], [shop.rootKey, third]] {
            #expect(throws: LicensingError.self) { try RootStatement(Envelope(.root, text, signedBy: keys), place: "f") }
        }
        #expect(throws: LicensingError.self) { try shop.root.rotated(from: second, to: third, issued: later) }
        #expect(throws: LicensingError.self) { try shop.root.rotated(from: shop.rootKey, to: shop.rootKey, issued: later) }
    }

    /// Two successors of one root: its key is in more than one hand, so neither is followed.
    @Test func aForkedRootIsNotFollowed() throws {
        var authority = Authority(trusting: shop.root)
        authority.learn(
            try documents(
                shop.root.rotated(from: shop.rootKey, to: second, issued: later).envelope, shop.root.rotated(from: shop.rootKey, to: third, issued: later).envelope))
        #expect(authority.roots == [shop.root])
    }

    @Test func whatTheDenyListNamesIsRefused() throws {
        let licence = try shop.licence()
        let held = try documents(licence.envelope, shop.grant.envelope)
        func list(_ version: Int, _ licences: Set<String> = [], _ keys: Set<PublicKey> = [], by key: SecretKey? = nil) throws -> DocumentSet {
            try documents(DenyList(version: version, issued: later, licences: licences, keys: keys, signedBy: key ?? shop.rootKey).envelope)
        }
        func refusal(_ lists: DocumentSet..., newest: Int? = nil) throws -> [Violation.Code] {
            var authority = Authority(trusting: shop.root)
            for list in lists { authority.learn(list) }
            return self.refusal(authority, held, newest: newest.map { DenyListRank(root: 1, version: $0) })
        }
        #expect(try refusal(list(1, ["lic-other"])) == [])
        #expect(try refusal(list(1, [licence.id])) == [.denied])
        #expect(try refusal(list(1, [], [shop.oemKey.publicKey])) == [.denied])
        // The newest counts, in whatever order they are found; one by a stranger does not.
        #expect(try refusal(list(2), list(1, [licence.id])) == [])
        #expect(try refusal(list(1, [licence.id]), list(2)) == [])
        #expect(try refusal(list(1), list(2, [licence.id], by: second)) == [])
        // Never older than the newest seen.
        #expect(try refusal(newest: 1) == [.denyListTooOld])
        #expect(try refusal(list(4), newest: 5) == [.denyListTooOld])
        #expect(try refusal(list(5), newest: 5) == [])
        // A root cannot withdraw itself, nor an older one its successor; a newer one withdraws an older.
        #expect(try refusal(list(1, [], [shop.rootKey.publicKey])) == [])
        let next = try documents(shop.root.rotated(from: shop.rootKey, to: second, issued: later).envelope)
        #expect(try refusal(next, list(1, [], [shop.rootKey.publicKey], by: second)) == [.denied])
        // A stolen root takes its own withdrawal back neither with a later version, in either order, nor on a board that has seen its successor's list.
        let withdrawn = try list(1, [], [shop.rootKey.publicKey], by: second)
        #expect(try refusal(next, withdrawn, list(1 << 40)) == [.denied] && refusal(next, list(1 << 40), withdrawn) == [.denied])
        var authority = Authority(trusting: shop.root)
        authority.learn(try list(1 << 40))
        #expect(self.refusal(authority, held, newest: DenyListRank(root: 2, version: 1)) == [.denyListTooOld])
        #expect(DenyListRank(stored: "2.5") == DenyListRank(root: 2, version: 5))
        for text in ["", "5", "2.", ".5", "2.5.1", "0.1", "2.0", "-1.5", "a.b"] { #expect(DenyListRank(stored: text) == nil, "\(text)") }
    }
}
