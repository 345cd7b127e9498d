// swift-tools-version: 6.2
import PackageDescription

// Fuzz targets, apart from the main package so that their flags and the instrumented build reach nobody. A module under
// test comes in by a link to its sources, because its entry points have `package` access.
let package = Package(
    name: "fuzz",
    dependencies: [.package(url: "https://github.com/apple/swift-crypto", from: "4.5.2")],
    targets: [
        .target(
            name: "Interconnect", dependencies: ["CSealing", "Verbs", "Platform", "Bytes", "Contract", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: settings + [.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library"])]),
        .target(
            name: "Licensing", dependencies: ["Platform", "Bytes", "Contract", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: settings + [.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library"])]),
        .target(
            name: "Node", dependencies: ["Machine", "Coherence", "Interconnect", "Licensing", "Bytes", "Contract"],
            swiftSettings: settings + [.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library", "-enable-testing"])]),
        .target(name: "Machine", dependencies: ["Bytes", "Contract"], swiftSettings: settings + [.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library"])]),
        .target(name: "Coherence", dependencies: ["Pages"], swiftSettings: settings + [.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library"])]),
        .target(name: "Pages", swiftSettings: settings),
        .target(name: "Platform", dependencies: ["CPlatform", "Bytes"], swiftSettings: settings),
        .target(name: "Bytes", swiftSettings: settings),
        .target(name: "Contract", dependencies: ["Bytes"], swiftSettings: settings),
        .target(name: "CPlatform"),
        .target(name: "CSealing", dependencies: [.product(name: "Crypto", package: "swift-crypto")]),
        .target(name: "Verbs", dependencies: ["CVerbs", "Platform"], swiftSettings: settings),
        .target(
            name: "CVerbs",
            linkerSettings: ["rxe-rdmav34", "mlx4", "mlx5", "ibverbs", "nl-route-3", "nl-3"].map { .linkedLibrary(":lib\($0).a") }),
        .target(name: "CFuzzDriver"),
    ]
        + [
            ("FuzzFrames", "Interconnect"), ("FuzzHandshake", "Interconnect"), ("FuzzEnvelope", "Licensing"), ("FuzzArmour", "Licensing"),
            ("FuzzDenyList", "Licensing"), ("FuzzRequest", "Licensing"), ("FuzzEngine", "Coherence"),
        ].map { name, module in
            .executableTarget(name: name, dependencies: ["CFuzzDriver", .init(stringLiteral: module)], swiftSettings: settings + fuzzer, linkerSettings: link)
        } + [
            .executableTarget(
                name: "FuzzControl", dependencies: ["CFuzzDriver", "Node", "Machine", "Interconnect", "Pages", "Contract"],
                swiftSettings: settings + fuzzer, linkerSettings: link)
        ]
)

var settings: [SwiftSetting] {
    [
        .swiftLanguageMode(.v6),
        .strictMemorySafety(),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ]
}

/// libFuzzer brings its own loop; `CFuzzDriver` starts it.
var fuzzer: [SwiftSetting] { [.unsafeFlags(["-sanitize=fuzzer", "-parse-as-library"])] }
var link: [LinkerSetting] { [.unsafeFlags(["-sanitize=fuzzer"])] }
