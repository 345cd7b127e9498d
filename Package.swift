// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "vsmp-firmware-sdk",
    products: [
        .library(name: "BoardSupport", targets: ["BoardSupport"]),
        .library(name: "Coherence", targets: ["Coherence"]),
        .library(name: "FirmwareImage", targets: ["FirmwareImage"]),
        .library(name: "Licensing", targets: ["Licensing"]),
        .library(name: "Provisioning", targets: ["Provisioning"]),
        .library(name: "HardwareLab", targets: ["HardwareLab"]),
        .executable(name: "vsmp", targets: ["vsmp"]),
        .executable(name: "vsmpd", targets: ["vsmpd"]),
        .library(name: "CoherenceSimulation", targets: ["CoherenceSimulation"]),
        .executable(name: "vsmp-coherence", targets: ["vsmp-coherence"]),
        .executable(name: "guest-check", targets: ["guest-check"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-certificates", from: "1.21.1"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
    ],
    targets: [
        .executableTarget(
            name: "vsmp",
            dependencies: ["OEMCommands", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            linkerSettings: swiftRuntimeInside),
        .executableTarget(
            name: "vsmpd", dependencies: ["NodeCommands"], linkerSettings: fullyStatic),
        .executableTarget(name: "guest-check", dependencies: ["GuestChecks"], linkerSettings: fullyStatic),
        .target(
            name: "OEMCommands",
            dependencies: [
                "HardwareLab", "Licensing", "StickState",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .target(name: "NodeCommands", dependencies: ["Node", "Machine", "Licensing", "StickState", "TrustedPlatform"]),
        .target(name: "HardwareLab", dependencies: ["BoardSupport", "FirmwareImage", "Provisioning"]),
        .target(
            name: "Provisioning",
            dependencies: ["BoardSupport", "FirmwareImage", "Licensing", "StickState", .product(name: "Crypto", package: "swift-crypto")]),
        .target(
            name: "FirmwareImage",
            dependencies: [
                "BoardSupport", "Licensing", "StickState", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
                .product(name: "X509", package: "swift-certificates"), .product(name: "SwiftASN1", package: "swift-asn1"),
            ]),
        .target(name: "Node", dependencies: ["CKVM", "Machine", "Hypervisor", "Coherence", "Interconnect", "BoardSupport", "Licensing"]),
        .target(name: "Machine", dependencies: ["Hypervisor"]),
        .target(name: "Hypervisor", dependencies: ["CKVM"]),
        .target(name: "Interconnect", dependencies: [.product(name: "Crypto", package: "swift-crypto")]),
        .executableTarget(
            name: "vsmp-coherence",
            dependencies: ["CoherenceCommands", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            linkerSettings: swiftRuntimeInside),
        .target(
            name: "CoherenceCommands",
            dependencies: [
                "Coherence", "CoherenceSimulation", "LoopbackCalibration", "Hypervisor", "BoardSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .target(name: "LoopbackCalibration", dependencies: ["CoherenceSimulation", "Coherence", "Hypervisor"]),
        .target(name: "CoherenceSimulation", dependencies: ["Coherence"]),
        .target(name: "Coherence"),
        .target(name: "StickState", dependencies: [.product(name: "Crypto", package: "swift-crypto")]),
        .target(name: "BoardSupport", dependencies: ["CFDT", "Coherence"]),
        .target(name: "TrustedPlatform"),
        .target(name: "Licensing", dependencies: [.product(name: "Crypto", package: "swift-crypto")]),
        .target(name: "CKVM"),
        .target(name: "GuestChecks", dependencies: ["CGuestCheck"]),
        .target(name: "CGuestCheck"),
        .systemLibrary(name: "CFDT", providers: [.apt(["libfdt-dev"])]),
        .testTarget(name: "CoherenceTests", dependencies: ["Coherence", "CoherenceSimulation", "Mutants"]),
        .target(name: "Mutants", path: "Tests/Mutants", exclude: ["Program"]),
        .testTarget(name: "CoherenceSimulationTests", dependencies: ["CoherenceSimulation", "Coherence"]),
        .testTarget(
            name: "CoherenceCommandsTests",
            dependencies: [
                "CoherenceCommands", "CoherenceSimulation", "Coherence", "BoardSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .testTarget(
            name: "LoopbackCalibrationTests", dependencies: ["LoopbackCalibration", "CoherenceSimulation", "Coherence", "Hypervisor"]),
        .target(name: "CTestSupport", path: "Tests/CTestSupport"),
        .target(name: "TestSupport", dependencies: ["Interconnect"], path: "Tests/TestSupport"),
        .testTarget(name: "MachineTests", dependencies: ["Machine", "TestSupport"]),
        .testTarget(name: "HypervisorTests", dependencies: ["Hypervisor", "CKVM"]),
        .testTarget(name: "InterconnectTests", dependencies: ["Interconnect", "TestSupport"]),
        .testTarget(name: "LicensingTests", dependencies: ["Licensing", "TestSupport", .product(name: "Crypto", package: "swift-crypto")]),
        .testTarget(name: "BoardSupportTests", dependencies: ["BoardSupport", "Coherence", "TestSupport"]),
        .testTarget(name: "StickStateTests", dependencies: ["StickState"]),
        .testTarget(
            name: "TrustedPlatformTests", dependencies: ["TrustedPlatform", "TestSupport", .product(name: "Crypto", package: "swift-crypto")]),
        .testTarget(name: "FirmwareImageTests", dependencies: ["FirmwareImage", "Licensing", "StickState", "vsmp"]),
        .testTarget(name: "ProvisioningTests", dependencies: ["Provisioning", "FirmwareImage", "Licensing", "StickState"]),
        .testTarget(name: "HardwareLabTests", dependencies: ["HardwareLab"]),
        .testTarget(
            name: "NodeTests",
            dependencies: [
                "Node", "NodeCommands", "Machine", "Hypervisor", "Interconnect", "Coherence", "BoardSupport", "HardwareLab", "Licensing",
                "StickState", "TestSupport", "CTestSupport", "TrustedPlatform",
            ]),
        .testTarget(
            name: "OEMCommandsTests",
            dependencies: ["OEMCommands", "BoardSupport", "Licensing", "TestSupport", "vsmp", "vsmpd", .product(name: "ArgumentParser", package: "swift-argument-parser")]),
        .testTarget(name: "GuestCheckTests", dependencies: ["GuestChecks", "CGuestCheck", "guest-check"]),
    ]
)

/// The Swift runtime and Foundation linked in, system libraries dynamic: what a board maker runs. The named archives
/// are Foundation's own, which its autolink entries leave out.
var swiftRuntimeInside: [LinkerSetting] {
    let archives = [
        "FoundationEssentials", "FoundationInternationalization", "CoreFoundation", "_FoundationICU",
        "_FoundationCShims", "_FoundationCollections", "swiftSynchronization",
    ]
    return [.unsafeFlags(["-static-stdlib"], .when(configuration: .release))]
        + archives.map { .linkedLibrary($0, .when(configuration: .release)) }
}

/// One executable with no shared library: what runs on a node or in the guest. The named archives belong to
/// FoundationEssentials, which swift-crypto uses and whose own autolink entries leave them out. Debug builds
/// stay dynamic because sanitizers and the test runner need it.
var fullyStatic: [LinkerSetting] {
    [
        .unsafeFlags(["-static-executable"], .when(configuration: .release)),
        .linkedLibrary("_FoundationCShims", .when(configuration: .release)),
        .linkedLibrary("_FoundationCollections", .when(configuration: .release)),
        .linkedLibrary("swiftSynchronization", .when(configuration: .release)),
    ]
}

for target in package.targets where target.type != .system {
    let isC = target.name.hasPrefix("C") && !target.name.hasPrefix("Coherence")
    guard !isC else { continue }
    target.swiftSettings = [
        .swiftLanguageMode(.v6),
        .strictMemorySafety(),
        .treatAllWarnings(as: .error),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
    ]
}
