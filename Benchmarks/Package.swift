// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "benchmarks",
    dependencies: [.package(name: "vsmp-firmware-sdk", path: "..")],
    targets: [
        .target(name: "CAllocationCount"),
        .executableTarget(
            name: "coherence-benchmark",
            dependencies: ["CAllocationCount", .product(name: "Coherence", package: "vsmp-firmware-sdk")],
            swiftSettings: [
                .swiftLanguageMode(.v6), .strictMemorySafety(), .treatAllWarnings(as: .error),
                .enableUpcomingFeature("ExistentialAny"), .enableUpcomingFeature("InternalImportsByDefault"),
                .enableUpcomingFeature("MemberImportVisibility"),
            ]),
    ]
)
