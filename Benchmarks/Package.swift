// swift-tools-version: 6.2
import PackageDescription

// Benchmarks, apart from the main package so that what they depend on reaches nobody. The modules they measure come in by
// links to their sources, because most of their entry points have `package` access.
let package = Package(
    name: "benchmarks",
    dependencies: [
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        .executableTarget(
            name: "coherence-benchmark", dependencies: ["CAllocationCount", "Coherence"], swiftSettings: settings),
        .executableTarget(
            name: "node-benchmark",
            dependencies: [
                "BoardSupport", "CSealing", "LoopbackCalibration", "Coherence", "CoherenceSimulation", "Contract", "KVM", "Interconnect", "Machine", "Node", "Pages", "Platform",
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            swiftSettings: settings),
        .target(
            name: "Node",
            dependencies: ["Machine", "KVM", "Coherence", "Interconnect", "Verbs", "BoardSupport", "Licensing", "Platform", "Bytes", "Contract"],
            swiftSettings: settings),
        .target(
            name: "Licensing", dependencies: ["Platform", "Bytes", "Contract", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: settings),
        .target(name: "Machine", dependencies: ["Bytes", "Contract"], swiftSettings: settings),
        .target(name: "KVM", dependencies: ["CKVM", "Machine", "Platform", "Pages"], swiftSettings: settings),
        .target(
            name: "Interconnect", dependencies: ["CSealing", "Verbs", "Platform", "Bytes", "Contract", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: settings),
        .target(
            name: "LoopbackCalibration", dependencies: ["CoherenceSimulation", "Coherence", "KVM", "Machine", "Platform", "Pages"], swiftSettings: settings),
        .target(name: "CoherenceSimulation", dependencies: ["Coherence", "Bytes"], swiftSettings: settings),
        .target(name: "Coherence", dependencies: ["Pages"], swiftSettings: settings),
        .target(name: "BoardSupport", dependencies: ["CFDT", "Coherence", "Platform", "Bytes", "Contract"], swiftSettings: settings),
        .target(name: "Platform", dependencies: ["CPlatform", "Bytes"], swiftSettings: settings),
        .target(name: "Bytes", swiftSettings: settings),
        .target(name: "Pages", swiftSettings: settings),
        .target(name: "Contract", dependencies: ["Bytes"], swiftSettings: settings),
        .target(name: "CPlatform"),
        .target(name: "CSealing", dependencies: [.product(name: "Crypto", package: "swift-crypto")]),
        .target(name: "CKVM"),
        .target(name: "Verbs", dependencies: ["CVerbs", "Platform"], swiftSettings: settings),
        .target(
            name: "CVerbs",
            linkerSettings: ["rxe-rdmav34", "mlx4", "mlx5", "ibverbs", "nl-route-3", "nl-3"].map { .linkedLibrary(":lib\($0).a") }),
        .target(name: "CAllocationCount"),
        .systemLibrary(name: "CFDT", providers: [.apt(["libfdt-dev"])]),
    ]
)

var settings: [SwiftSetting] {
    [
        .swiftLanguageMode(.v6), .strictMemorySafety(), .treatAllWarnings(as: .error),
        .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ]
}
