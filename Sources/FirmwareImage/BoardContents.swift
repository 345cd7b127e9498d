public import Foundation

/// What an image takes from a board's description.
public struct BoardContents: Equatable, Sendable {
    public let name: String
    /// Kernel modules that this board needs beside those of `firmware/modules.conf`.
    public let modules: [String]
    /// The compiled device tree; a node reads it as /etc/vsmp/board.dtb.
    public let deviceTree: Data

    public init(name: String, modules: [String], deviceTree: Data) {
        self.name = name
        self.modules = modules
        self.deviceTree = deviceTree
    }
}
