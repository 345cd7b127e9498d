public import BoardSupport
public import Foundation

/// What an image takes from a board's description.
public struct BoardContents: Equatable, Sendable {
    public let name: String
    /// The compiled device tree; a node reads it as /etc/vsmp/board.dtb.
    public let deviceTree: Data
    /// The kernel modules that this board needs beside those of `firmware/modules.conf`.
    package let modules: [ModuleList.Item]
    /// The most bytes that an image for this board may have.
    package var sizeLimit: Int?

    public init(_ compiled: CompiledBoard) {
        let board = compiled.board
        self.init(
            name: board.name, deviceTree: Data(compiled.deviceTree),
            modules: (board.stick.kernelModules + board.interconnect.flatMap(\.kernelModules)).map { .init($0) }
                + board.virtualization.amdKernelModules.map { .init($0, when: .svm) }
                + board.virtualization.intelKernelModules.map { .init($0, when: .vmx) })
        sizeLimit = board.stick.imageLimitMiB.map { $0 << 20 }
    }

    package init(name: String, deviceTree: Data, modules: [ModuleList.Item]) {
        self.name = name
        self.deviceTree = deviceTree
        self.modules = modules
    }
}
