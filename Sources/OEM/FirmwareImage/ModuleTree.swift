import Contract
package import Foundation
internal import BoardSupport

/// The modules of one kernel package, unpacked: which exist, which are built in, what each needs.
package struct ModuleTree {
    /// The kernel's release, as `uname -r` prints it.
    package let release: String
    private let directory: URL
    private let packageName: String
    private let paths: [String: String]
    private let builtIn: Set<String>

    /// One module to load: path below `lib/modules/RELEASE`, and when and how.
    package struct Step: Equatable, Sendable {
        package let condition: ModuleList.Condition
        package let path: String
        package let parameters: [String]
    }

    /// Reads the one kernel below `root/lib/modules`; `packageName` names its package in errors.
    package init(root: URL, packageName: String) throws(ImageError) {
        self.packageName = packageName
        let parent = root.appendingPathComponent("lib/modules")
        let releases = (try? FileManager.default.contentsOfDirectory(atPath: parent.path)) ?? []
        guard releases.count == 1, let release = releases.first else {
            throw ImageError(.badInput, "the package \(packageName) holds \(releases.count) kernels, expected one")
        }
        self.release = release
        directory = parent.appendingPathComponent(release)
        paths = Self.index(try Self.lines(directory.appendingPathComponent("modules.order"), of: packageName))
        builtIn = Set(
            Self.index(try Self.lines(directory.appendingPathComponent("modules.builtin"), of: packageName)).keys)
    }

    /// The files to load for `list`, each after what it needs, each once.
    ///
    /// - Throws: `badInput` naming the module and the package when something is missing.
    package func loadOrder(for list: ModuleList) throws(ImageError) -> [Step] {
        let parameters = Dictionary(
            list.items.map { ($0.name, $0.parameters) }, uniquingKeysWith: { $0 + $1 })
        var done: Set<String> = []
        var steps: [Step] = []
        // What is needed unconditionally comes first, so that a condition never decides over another module's needs.
        for item in list.items.filter({ $0.condition == .always }) + list.items.filter({ $0.condition != .always }) {
            try visit(item.name, neededBy: nil, item.condition, parameters, &done, &steps)
        }
        return steps
    }

    /// The content of a module's file; `path` comes from `loadOrder`.
    package func content(_ path: String) throws(ImageError) -> Data {
        do {
            return try read(directory.appendingPathComponent(path))
        } catch {
            throw ImageError(.badInput, "the package \(packageName) lists \(path) but does not hold it")
        }
    }

    private func visit(
        _ name: String, neededBy user: String?, _ condition: ModuleList.Condition, _ parameters: [String: [String]],
        _ done: inout Set<String>, _ steps: inout [Step]
    ) throws(ImageError) {
        if builtIn.contains(name) || !done.insert(name).inserted { return }
        guard let path = paths[name] else {
            throw ImageError(
                .badInput,
                "kernel module \(name)\(user.map { ", which \($0) needs," } ?? "") is not in the package \(packageName): "
                    + "check its spelling in the board's description and in modules.conf")
        }
        guard let module = KernelModule(elf: try content(path)) else {
            throw ImageError(.badInput, "\(path) in the package \(packageName) is not a kernel module")
        }
        let unknown = (parameters[name] ?? []).map { String($0.prefix { $0 != "=" }) }
            .filter { !module.parameters.contains($0) }
        guard unknown.isEmpty else {
            throw ImageError(
                .badInput,
                "kernel module \(name) in the package \(packageName) has no parameter \(unknown.joined(separator: ", "))")
        }
        for other in module.softDependencies where paths[other] != nil {
            try visit(other, neededBy: name, condition, parameters, &done, &steps)
        }
        for other in module.dependencies {
            try visit(other, neededBy: name, condition, parameters, &done, &steps)
        }
        steps.append(Step(condition: condition, path: path, parameters: parameters[name] ?? []))
    }

    private static func index(_ lines: [String]) -> [String: String] {
        Dictionary(
            lines.map { line in
                let file = line.split(separator: "/").last.map(String.init) ?? line
                return (KernelModule.canonical(file.replacingOccurrences(of: ".ko", with: "")), line)
            }, uniquingKeysWith: { first, _ in first })
    }

    private static func lines(_ file: URL, of package: String) throws(ImageError) -> [String] {
        guard let text = (try? read(file)).map({ String(decoding: $0, as: UTF8.self) }) else {
            throw ImageError(.badInput, "the package \(package) holds no \(file.lastPathComponent)")
        }
        return text.split(separator: "\n").map(String.init)
    }
}
