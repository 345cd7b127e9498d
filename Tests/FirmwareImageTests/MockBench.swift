import Foundation
import Platform
import TestSupport

@testable import FirmwareImage

/// A hub into which a script plugs sticks whose disks are plain files, as umockdev shows them to the real `vsmp`.
struct MockBench {
    static let obstacle: String? = {
        if HostProgram.locate("umockdev-wrapper") == nil { return "umockdev is not installed" }
        if (try? HostProgram("/usr/bin/python3").result(["-c", "import gi; gi.require_version('UMockdev', '1.0')"]))?.isSuccess != true {
            return "python3-gi or gir1.2-umockdev-1.0 is not installed"
        }
        return compiler == nil ? "there is no C compiler" : buildObstacle
    }()

    private static let compiler = ["clang", "gcc", "cc"].first { HostProgram.locate($0) != nil }
    static let ports = ["1-4.1", "1-4.2", "1-4.3"]
    private static let sectors = 400 << 11

    let folder: String

    /// - Parameter folder: where the command works.
    init(_ folder: String) throws {
        self.folder = folder
        let hub = MockComputer.Device(port: "1-4", address: 2, vendor: 0x05e3, product: 0x0608, deviceClass: 9, interfaces: [[9, 0, 1]], power: 50)
        try write("hub", MockComputer(devices: [hub]).record)
        for port in Self.ports {
            for address in 10..<36 {
                let stick = MockComputer.Device(
                    port: port, address: address, vendor: 0x0781, product: 0x5567, manufacturer: "SanDisk", serial: "S\(address)",
                    disks: [.init(name: Self.disk(address), sectors: Self.sectors)])
                try write("\(port)-\(address)", MockComputer(devices: [hub]).record(stick))
            }
        }
        try write("fstat.c", Self.fstat)
        _ = try HostProgram(Self.compiler ?? "cc").run(["-shared", "-fPIC", "-o", folder + "/fstat.so", folder + "/fstat.c", "-ldl"])
        let slots = zip(["A1", "A2", "A3"], Self.ports).prefix(2).map { "  - {port: \($1), label: \($0)}\n" }.joined()
        try write("station.yaml", "station: line 3\nslots:\n\(slots)log: line.log\nlabel: |\n  {kit} {stick}/{sticks} in {slot}, {serial}\n")
    }

    static func disk(_ address: Int) -> String { "sd" + String(UnicodeScalar(UInt8(97 + address - 10))) }

    private func write(_ name: String, _ text: String) throws { try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)")) }

    /// Runs a script of Python with `plug`, `pull`, `content` and `vsmp`; what it prints.
    func run(_ script: String, _ arguments: [String] = []) throws -> (output: String, errors: String) {
        try write("scenario.py", Self.prelude + script)
        let vsmp = VSMP.executable?.path ?? ""
        let result = try HostProgram("umockdev-wrapper", limits: .init(time: .seconds(300)))
            .result(["env", "--chdir=\(folder)", "/usr/bin/python3", "scenario.py", folder, vsmp, "\(Self.sectors * 512)"] + arguments)
        return (String(decoding: result.output, as: UTF8.self), String(decoding: result.errors, as: UTF8.self))
    }

    private static let prelude = """
        import gi, json, os, pty, signal, subprocess, sys, time
        gi.require_version("UMockdev", "1.0")
        from gi.repository import UMockdev
        folder, program, size, *arguments = sys.argv[1:]
        # A station that waits for ever ends with its terminal or pipe.
        signal.alarm(200)
        bench = UMockdev.Testbed.new()
        root = bench.get_root_dir()
        bench.add_from_string(open("hub").read())
        plugged, address, running = {}, 9, None
        def disk(address): return "sd" + chr(97 + address - 10)
        def content(address): return root + "/dev/" + disk(address)
        def sys_path(port): return "/sys/devices/pci0000:00/0000:00:14.0/usb1/1-4/" + port
        def plug(port, length=int(size), copy=None):
            global address
            address += 1
            # The disk's file appears with the device and gets its content after that: nobody looks in between.
            if running: running.send_signal(signal.SIGSTOP)
            bench.add_from_string(open("%s-%d" % (port, address)).read())
            if copy: subprocess.run(["cp", "--sparse=always", copy, content(address)], check=True)
            os.truncate(content(address), length)
            if running: running.send_signal(signal.SIGCONT)
            bench.uevent(sys_path(port), "add")
            plugged[port] = address
            return content(address)
        def pull(port):
            number = plugged.pop(port)
            interface = "%s/%s:1.0" % (sys_path(port), port)
            bench.uevent(sys_path(port), "remove")
            bench.remove_device("%s/host%d/target%d:0:0/%d:0:0:0/block/%s" % (interface, number, number, number, disk(number)))
            bench.remove_device(interface)
            link = root + "/sys/block/" + disk(number)
            if os.path.lexists(link): os.unlink(link)
            bench.remove_device(sys_path(port))
        def vsmp(*words, **more):
            more.setdefault("stdout", subprocess.PIPE)
            environment = dict(os.environ, UMOCKDEV_DIR=root, LD_PRELOAD="libumockdev-preload.so.0 " + folder + "/fstat.so")
            global running
            running = subprocess.Popen([program, "usb", *words], env=environment, text=True, **more)
            return running
        def lines(process):
            for line in process.stdout:
                print(line, end="", flush=True)
                yield json.loads(line)

        """

    /// umockdev says of a path that it is a device, and of a descriptor that it is a file.
    private static let fstat = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/stat.h>
        #include <unistd.h>
        int fstat(int file, struct stat *status) {
            static int (*next)(int, struct stat *);
            if (!next) next = dlsym(RTLD_NEXT, "fstat");
            char link[64], path[4096];
            const char *root = getenv("UMOCKDEV_DIR");
            snprintf(link, sizeof link, "/proc/self/fd/%d", file);
            ssize_t count = readlink(link, path, sizeof path - 1);
            if (root && count > 0) {
                size_t length = strlen(root);
                path[count] = 0;
                if (!strncmp(path, root, length) && !strncmp(path + length, "/dev/", 5)) return stat(path + length, status);
            }
            return next(file, status);
        }

        """
}
