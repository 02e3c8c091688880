// swift-tools-version: 6.2
import PackageDescription

// One list for every target.
let settings: [SwiftSetting] = [
    .treatAllWarnings(as: .error),  // a warning that may stay is a warning nobody reads
    .enableUpcomingFeature("ExistentialAny"),  // the cost of an existential is visible where it is paid
    .enableUpcomingFeature("InternalImportsByDefault"),  // a room shows only what it means to show
    .enableUpcomingFeature("MemberImportVisibility"),  // what a file uses, it imports
]
let strict = settings + [.strictMemorySafety()]  // every unsafe expression is marked; not in tests

// A release starts often (a process for each control connection) and stays long: 1.1 MB of relocations shrink to 70 kB (DT_RELR,
// glibc 2.36), and a program nobody links against exports no names, so that what is not used can be left out.
let linked: [LinkerSetting] = [
    .unsafeFlags(
        ["-use-ld=lld", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs", "-Xlinker", "--no-export-dynamic"],
        .when(platforms: [.linux], configuration: .release))
]

let package = Package(
    name: "sensor",
    products: [.executable(name: "sensor", targets: ["Sensor"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    ],
    targets: [
        .target(name: "CLinux"),
        // Of Debian's libpcap-dev and libssh2-1-dev the headers only: the libraries are loaded when they are first called.
        .target(name: "CPcap", dependencies: ["CLinux"]),
        .target(name: "CSSH2", dependencies: ["CLinux"]),
        .target(name: "Linux", dependencies: ["CLinux"], swiftSettings: strict),
        .target(name: "Events", dependencies: ["Linux"], swiftSettings: strict),
        .target(name: "Settings", swiftSettings: strict),
        .target(name: "Spool", dependencies: ["Linux"], swiftSettings: strict),
        .target(
            name: "Evidence",
            dependencies: ["Linux", .product(name: "Crypto", package: "swift-crypto")],
            swiftSettings: strict),
        .target(name: "Supervisor", dependencies: ["Linux", "CLinux", "Events"], swiftSettings: strict),
        .target(
            name: "Capture",
            dependencies: ["CPcap", "CLinux", "Linux", "Events", "Spool"],
            swiftSettings: strict),
        .target(
            name: "Shipper",
            dependencies: ["CSSH2", "CLinux", "Linux", "Events", "Settings", "Spool", "Evidence"],
            swiftSettings: strict),
        .target(
            name: "Keygen", dependencies: ["Linux", "Evidence", .product(name: "Crypto", package: "swift-crypto")], swiftSettings: strict),
        .executableTarget(
            name: "Sensor",
            dependencies: [
                "Linux", "Events", "Settings", "Spool", "Evidence", "Supervisor", "Capture", "Shipper", "Keygen",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict, linkerSettings: linked),
        .testTarget(name: "SettingsTests", dependencies: ["Settings", "Linux"], swiftSettings: settings),
        .testTarget(name: "KeygenTests", dependencies: ["Keygen", "Evidence", "Linux", "Supervisor"], swiftSettings: settings),
        .testTarget(
            name: "SupervisorTests", dependencies: ["Supervisor", "Events", "Linux"], exclude: ["Corpus", "Fuzz"], swiftSettings: settings),
        .testTarget(name: "SpoolTests", dependencies: ["Spool", "Linux"], swiftSettings: settings),
        .testTarget(
            name: "CaptureTests", dependencies: ["Capture", "CPcap", "CLinux", "Events", "Spool", "Linux"], swiftSettings: settings),
        .testTarget(
            name: "ShipperTests",
            dependencies: [
                "Shipper", "Events", "Spool", "Evidence", "Settings", "Supervisor", "Linux", "CLinux",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            exclude: ["Corpus", "Fuzz"],
            swiftSettings: settings),
        .executableTarget(name: "packet-generator", path: "Tests/PacketGenerator", swiftSettings: settings),
        .executableTarget(name: "faulty-link", path: "Tests/FaultyLink"),
        .testTarget(
            name: "EndToEnd",
            dependencies: ["Sensor", "packet-generator", "faulty-link", "Spool", "Evidence", "Supervisor", "Linux", "CLinux"],
            path: "Tests/EndToEnd", exclude: ["Peers"], swiftSettings: settings),
    ]
)
