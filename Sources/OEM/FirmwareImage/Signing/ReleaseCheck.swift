internal import Contract
import Bytes
internal import Foundation
internal import BoardSupport
internal import StickState

/// Why an image must not be shipped: rule, place, what stands there.
public struct ReleaseFinding: Sendable, Equatable, Codable, CustomStringConvertible {
    public enum Rule: String, Sendable, Codable, CaseIterable {
        case development = "development-image"
        case developmentKey = "development-key"
        case unsigned
        case otherSigner = "other-signer"
        case shell
        case otherScript = "other-script"
        case unknownWord = "unknown-kernel-word"
        case password
        case bootMenu = "editable-boot-menu"
        case secret
        case missingBlob = "missing-blob"
        case noLicenceRoot = "no-licence-root"
        case unexpectedFile = "unexpected-file"
    }

    public let rule: Rule
    public let place: String
    public let found: String

    public var description: String { "\(place): \(rule.rawValue): \(found)" }
}

/// What an image must not have when it leaves the house (docs/images.md, "Release images").
extension ImageReader {
    /// Checks the image as ``verify()`` does, and then for every reason not to ship it.
    ///
    /// - Parameter certificate: who must have signed; nil accepts whoever did.
    /// - Returns: who signed, and the reasons; none when it may go.
    public func verifyRelease(
        certificate: SigningCertificate? = nil
    ) throws(ImageError) -> (signers: [SigningCertificate], findings: [ReleaseFinding]) {
        let (signers, root) = try verifiedContents()
        return (signers, try releaseFindings(root, certificate))
    }

    private func releaseFindings(_ root: NewcArchive, _ certificate: SigningCertificate?) throws(ImageError) -> [ReleaseFinding] {
        var findings: [ReleaseFinding] = []
        func report(_ rule: ReleaseFinding.Rule, _ place: String, _ found: String) {
            findings.append(ReleaseFinding(rule: rule, place: place, found: found))
        }
        if manifest.purpose == .development { report(.development, BootFiles.manifest, "purpose development") }
        // A development image asks for no licence.
        if manifest.purpose == .release, let problem = LicensingRoot.problem(in: root) { report(.noLicenceRoot, "/" + ImageFact.licenceRoot.path, problem) }
        for blob in manifest.missingBlobs { report(.missingBlob, BootFiles.manifest, "\(blob.path) was not there when the image was built") }
        for (name, program) in [(BootFiles.loaderPath, try loader()), (BootFiles.program, try contents(of: BootFiles.program))] {
            let signers = try Authenticode.signers(of: program)
            if signers.isEmpty { report(.unsigned, name, "no signature") }
            for signer in signers where signer.isDevelopment { report(.developmentKey, name, "signed by \(signer)") }
            if let certificate, !signers.isEmpty, !signers.contains(certificate) {
                report(.otherSigner, name, "signed by \(signers.map(\.description).joined(separator: "; ")), not by \(certificate)")
            }
        }
        for word in ReleaseRules.words(ofCommandLine: manifest.commandLine) {
            if ReleaseRules.startsShell(commandLineWord: word) {
                report(.shell, "command line", word)
            } else if !ReleaseRules.isKnown(commandLineWord: word) {
                report(.unknownWord, "command line", "\(word), of which nobody has said that it opens nothing")
            }
        }
        // Other words for Linux than the manifest's could come from GRUB's script only.
        let core = try bootCode().contents()
        if core.configuration != BIOSBootCode.configuration { report(.otherScript, "bios-core", "the core runs other commands than to start its script") }
        if !ShippedScripts.grub.isShipped(core.script) { report(.otherScript, "bios-core", "GRUB's script is not the SDK's own") }
        for other in core.others { report(.otherScript, "bios-core", other) }
        if case .file(let script, _)? = root.entries["init"], ShippedScripts.initScript.isShipped(script) {} else {
            report(.otherScript, "/init", "the first process is not the SDK's own script")
        }
        for (path, entry) in root.entries.sorted(by: { $0.key < $1.key }) {
            guard case .file(let content, _) = entry else { continue }
            for (rule, found) in ReleaseRules.findings(inRootFile: path, content) { report(rule, "/" + path, found) }
        }
        for partition in [ImageLayout.systemName, ImageLayout.configurationName] {
            let paths = try files(inPartition: partition).sorted()
            let unexpected = partition == ImageLayout.systemName ? unexpectedFiles(paths) : Set(paths)
            for path in paths {
                let found = ReleaseRules.findings(inBootFile: path, try contents(of: path, inPartition: partition))
                for (rule, found) in found { report(rule, "\(partition)/\(path)", found) }
                if found.isEmpty, unexpected.contains(path) { report(.unexpectedFile, "\(partition)/\(path)", "no manifest names it, and a boot loader may start it") }
            }
            if partition == ImageLayout.systemName, !paths.contains(where: { $0.lowercased() == LoaderConfiguration.path }) {
                report(.bootMenu, "\(partition)/\(LoaderConfiguration.path)", "it is missing, so systemd-boot lets a person edit what it starts")
            }
        }
        return findings
    }

    /// What is neither the boot loader, nor what both loaders count in, nor a bank's. Another bank's files are that bank's reader's question.
    func unexpectedFiles(_ paths: [String]) -> Set<String> {
        let loaders = [BootFiles.loaderPath, LoaderConfiguration.path, GrubEnvironment.path]
        let own = Set((loaders + (manifest.files.map(\.name) + [BootFiles.manifest]).map { "\(bank.folder)/\($0)" }).map { $0.lowercased() })
        var programs: Set<Bank> = []
        return Set(paths.filter { path in
            let path = path.lowercased()
            if own.contains(path) { return false }
            if banks[bank.other] != nil, path.hasPrefix(bank.other.folder.lowercased() + "/") { return false }
            guard path.hasPrefix(BootProgramName.folder.lowercased() + "/"),
                let program = BootProgramName(String(path.dropFirst(BootProgramName.folder.utf8.count + 1)))
            else { return true }
            return !programs.insert(program.bank).inserted
        })
    }
}

/// The rules for single files and words.
enum ReleaseRules {
    private static let shells: Set<String> = ["sh", "ash", "bash", "dash", "hush"]
    private static let consoles: Set<String> = ["getty", "agetty", "login", "sulogin", "cttyhack", "setsid", "telnetd", "sshd", "dropbear"]

    private static let accounts: Set<String> = ["etc/passwd", "etc/shadow"]

    /// The words of a command line as Linux takes them apart (lib/cmdline.c, next_arg): blanks between quotes do not part, and quotes go.
    static func words(ofCommandLine text: String) -> [String] {
        var words: [String] = []
        var word = ""
        var isQuoted = false
        for character in text {
            if character == "\"" { isQuoted.toggle() } else if character.isWhitespace, !isQuoted {
                if !word.isEmpty { words.append(word) }
                word = ""
            } else { word.append(character) }
        }
        return word.isEmpty ? words : words + [word]
    }

    /// Words by which Linux, or an init, gives whoever sits at a console a shell or a debugger (Documentation/admin-guide/kernel-parameters.txt).
    static func startsShell(commandLineWord word: String) -> Bool {
        let name = word.prefix { $0 != "=" }
        if ["rdinit", "init"].contains(name) { return word != "rdinit=/init" }
        return ["single", "S", "s", "1", "emergency", "rescue", "break", "kgdboc", "kgdbwait", "sysrq_always_enabled", "systemd.debug_shell",
            "systemd.debug-shell"].contains(String(name))
    }

    /// Parameters of Linux 6 that set up hardware, memory or messages and let nobody run a program
    /// (Documentation/admin-guide/kernel-parameters.txt).
    private static let known: Set<String> = [
        "acpi_osi", "amd_iommu", "clocksource", "console", "cpufreq.default_governor", "default_hugepagesz", "earlycon", "earlyprintk", "hpet", "hugepages",
        "hugepagesz", "idle", "intel_idle.max_cstate", "intel_iommu", "intel_pstate", "iommu", "irqaffinity", "isolcpus", "kvm.force_emulation_prefix",
        "kvm_amd.npt", "kvm_intel.eptad", "kvm_intel.preemption_timer", "lockdown", "log_buf_len", "loglevel", "maxcpus", "mce", "mitigations", "module.sig_enforce",
        "no_timer_check", "nohz", "nohz_full", "nomodeset", "nosmt", "nr_cpus", "nowatchdog", "numa_balancing", "panic", "panic_on_oops", "pci", "pcie_aspm",
        "pcie_ports", "processor.max_cstate", "quiet", "rcu_nocbs", "rdinit", "reboot", "ro", "skew_tick", "slab_nomerge", "transparent_hugepage", "tsc",
        "tsc_early_khz", "usbcore.autosuspend", "vga", "x2apic_phys",
    ]

    static func isKnown(commandLineWord word: String) -> Bool {
        // Linux takes dashes in names for underscores.
        known.contains(String(word.prefix { $0 != "=" }.map { $0 == "-" ? "_" : $0 }))
    }

    static func findings(inRootFile path: String, _ content: Data) -> [(ReleaseFinding.Rule, String)] {
        var found = secrets(path, content)
        let text = content.prefix(1 << 20)
        if isScript(path, text) {
            for (number, line) in lines(text) where startsShell(scriptLine: line) { found.append((.shell, "line \(number): \(line)")) }
        }
        if accounts.contains(path) {
            for (_, line) in lines(text) {
                let fields = line.split(separator: ":", omittingEmptySubsequences: false)
                guard fields.count > 1, !["x", "*", "!", "!!", "!*"].contains(fields[1]) else { continue }
                found.append((.password, "\(fields[0]) can log in\(fields[1].isEmpty ? " without a password" : "")"))
            }
        }
        if consoles.subtracting(["setsid"]).contains(path.split(separator: "/").last.map(String.init) ?? "") {
            found.append((.shell, "a program that lets people log in"))
        }
        return found
    }

    /// Whether a shell may run it: it says so, or it is text that a script can read in. What the SDK itself puts below /etc/vsmp and the kernel's lists
    /// of modules are data.
    private static func isScript(_ path: String, _ text: Data) -> Bool {
        if text.starts(with: Data("#!".utf8)) || path == "etc/inittab" { return true }
        return !accounts.contains(path) && !path.hasPrefix(ImageFact.folder + "/") && !path.hasPrefix("lib/modules/") && !path.hasPrefix("lib/firmware/") && !text.contains(0)
    }

    /// Files by which boot loaders show menus, take other command lines or run scripts.
    static func findings(inBootFile path: String, _ content: Data) -> [(ReleaseFinding.Rule, String)] {
        let name = (path.split(separator: "/").last.map(String.init) ?? "").lowercased()
        var found = secrets(path, content)
        let menus = ["grub.cfg", "grub.conf", "menu.lst", "loader.conf", "syslinux.cfg", "extlinux.conf", "refind.conf", "startup.nsh"]
        // The one that these sticks have: no waiting, no editing.
        if path.lowercased() == LoaderConfiguration.path, LoaderConfiguration(content) != nil { return found }
        if menus.contains(name) || (name.hasSuffix(".conf") && path.lowercased().contains("loader/entries")) {
            found.append((.bootMenu, "a boot loader's menu or script"))
        }
        return found
    }

    private static func secrets(_ path: String, _ content: Data) -> [(ReleaseFinding.Rule, String)] {
        let name = path.split(separator: "/").last.map(String.init)?.lowercased() ?? ""
        if name == StickFile.clusterKey.rawValue || name.hasPrefix("id_rsa") || name.hasPrefix("id_ed25519") || name.hasSuffix(".key") {
            return [(.secret, "a key")]
        }
        if name == StickFile.machineConfiguration.rawValue { return [(.secret, "a kit's personalisation")] }
        for kind in ["PRIVATE", "RSA PRIVATE", "EC PRIVATE", "ENCRYPTED PRIVATE", "OPENSSH PRIVATE", "VSMP SECRET"]
        where content.range(of: Data("-----BEGIN \(kind) KEY-----".utf8)) != nil {
            return [(.secret, "a private key")]
        }
        if content.range(of: Data("cluster-key=".utf8)) != nil { return [(.secret, "a kit's key")] }
        return []
    }

    /// Whether a line of a script or of an inittab starts a shell for whoever sits there; the interpreter of another script is none.
    private static func startsShell(scriptLine line: String) -> Bool {
        guard !line.hasPrefix("#") else { return false }
        return line.split(whereSeparator: { " \t;|&()`\"'<>:".contains($0) }).contains { word in
            let name = word.split(separator: "/").last.map(String.init) ?? ""
            return shells.contains(name) || consoles.contains(name)
        }
    }

    private static func lines(_ text: Data) -> [(Int, String)] {
        ByteLines(Array(text)).map { ($0.number, String(decoding: $0.bytes, as: UTF8.self).trimmed) }
    }
}
