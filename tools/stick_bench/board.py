"""An emulated computer with USB ports that the host plugs sticks into, and that runs commands for the host."""
import base64
import ctypes
import glob
import hashlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

PROGRAMS = [
    "/usr/bin/udevadm", "/usr/bin/kmod", "/usr/bin/mtools", "/usr/sbin/mkfs.fat", "/usr/bin/dash", "/usr/bin/flock", "/usr/bin/env", "/usr/bin/dd", "/usr/bin/zstd", "/usr/bin/xz",
    "/usr/lib/udev/scsi_id", "/usr/lib/udev/ata_id", "/usr/sbin/blkid", "/usr/sbin/mke2fs",
]
LINKS = {
    "usr/bin/sh": "dash",  # busybox's shell runs its own applets, whatever PATH says
    "usr/bin/mcopy": "mtools", "usr/bin/mdir": "mtools", "usr/bin/mmd": "mtools", "usr/bin/mdel": "mtools", "usr/bin/mren": "mtools",
    "usr/bin/mattrib": "mtools", "usr/bin/mtype": "mtools", "usr/bin/minfo": "mtools", "usr/sbin/modprobe": "../bin/kmod",
    "usr/lib/systemd/systemd-udevd": "../../bin/udevadm",
}
EARLY = ["virtio_pci", "virtio_blk", "crc32c_generic", "ext4"]
LATE = ["virtio_console", "xhci-pci", "ehci-pci", "usb-storage", "uas", "sd_mod", "ahci", "vfat", "nls_cp437", "nls_ascii", "nls_iso8859-1"]

FIRST_INIT = """#!/bin/sh
/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox cat /modules/order); do /bin/busybox insmod /modules/$module; done
until [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 /dev/vda /root
exec /bin/busybox switch_root /root /init
"""

# Each line from the host is a number and a script, which runs beside the others; the answer is number, status, output and errors.
INIT = """#!/bin/sh
export PATH=/usr/sbin:/usr/bin HOME=/root TMPDIR=/tmp
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs run /run; mount -t tmpfs tmp /tmp
mkdir -p /dev/shm; mount -t tmpfs shm /dev/shm
/usr/lib/systemd/systemd-udevd --daemon
modprobe -a %s
udevadm trigger --action=add --subsystem-match=usb --subsystem-match=block; udevadm settle --timeout=30
exec 3<>/dev/vport0p1
echo ready >&3
while read -r number script <&3; do
    (
        echo "$script" | base64 -d >/tmp/$number.sh
        env --default-signal sh /tmp/$number.sh >/tmp/$number.out 2>/tmp/$number.err </dev/null 3>&- 9>&-
        status=$?
        flock 9
        { printf '%%s %%s =' $number $status; base64 -w 0 /tmp/$number.out; printf ' ='; base64 -w 0 /tmp/$number.err; echo; } >&3
    ) 9>/tmp/answers &
done
""" % " ".join(LATE)


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def output(*words):
    return subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout


def lines(peer):
    """What comes from the emulator, until it ends."""
    try:
        yield from peer.makefile("r")
    except OSError:
        pass


class Result:
    def __init__(self, status, out, errors):
        self.status, self.out, self.errors = status, out, errors

    def __str__(self):
        said = [line for line in (self.out + self.errors).splitlines() if '"phase"' not in line]
        return "\n".join([f"status {self.status}", *said[-40:]])


class Job:
    """A command that runs in the board."""

    def __init__(self, script):
        self.script, self.result, self.ended = script, None, threading.Event()

    def wait(self, timeout=300):
        if not self.ended.wait(timeout):
            raise AssertionError(f"not done within {timeout} s: {self.script}")
        if self.result is None:
            raise AssertionError(f"the board ended during: {self.script}")
        return self.result


class Disk:
    """The board's system disk and kernel, made once for one set of inputs."""

    def __init__(self, folder, kernel_package, files):
        self.kernel, self.initrd, self.image = (os.path.join(folder, name) for name in ("vmlinuz", "initrd", "system.ext4"))
        stamp = hashlib.sha256(json.dumps(
            [FIRST_INIT, INIT, EARLY, PROGRAMS, LINKS, kernel_package, [(name, path, os.stat(path).st_mtime_ns, os.stat(path).st_size) for name, path in files.items()]]
        ).encode()).hexdigest()
        stamp_path = os.path.join(folder, "stamp")
        if os.path.exists(stamp_path) and open(stamp_path).read() == stamp:
            return
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        self.make(folder, kernel_package, files)
        with open(stamp_path, "w") as file:
            file.write(stamp)

    def make(self, folder, kernel_package, files):
        package, root, first = (os.path.join(folder, name) for name in ("package", "root", "first"))
        os.makedirs(package)
        unpack = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", kernel_package], stdout=subprocess.PIPE)
        subprocess.run(
            ["tar", "-x", "-C", package, "--wildcards", "./boot/vmlinuz-*", *(
                f"./lib/modules/*/{kind}" for kind in
                ("modules.*", "kernel/drivers/usb/*", "kernel/drivers/scsi/*", "kernel/drivers/block/*", "kernel/drivers/virtio/*", "kernel/drivers/char/*",
                 "kernel/drivers/ata/*", "kernel/drivers/cdrom/*", "kernel/fs/*", "kernel/lib/*", "kernel/crypto/*", "kernel/arch/x86/crypto/*", "kernel/block/*"))],
            stdin=unpack.stdout, check=True)
        if unpack.wait():
            raise AssertionError(f"{kernel_package} cannot be unpacked")
        shutil.copy(glob.glob(package + "/boot/vmlinuz-*")[0], self.kernel)
        version = os.listdir(package + "/lib/modules")[0]
        modules = os.path.join(package, "lib/modules", version)
        subprocess.run(["depmod", "-b", package, version], check=True)

        os.makedirs(first + "/modules")
        os.makedirs(first + "/bin")
        order = []
        for name in EARLY:
            for line in output("modprobe", "-d", package, "-S", version, "--show-depends", name).splitlines():
                if line.startswith("insmod") and line.split()[1] not in order:
                    order.append(line.split()[1])
        for path in order:
            shutil.copy(path, first + "/modules")
        self.script(first + "/modules/order", "\n".join(map(os.path.basename, order)))
        shutil.copy("/bin/busybox", first + "/bin/busybox")
        os.symlink("busybox", first + "/bin/sh")
        self.script(first + "/init", FIRST_INIT)
        with open(self.initrd, "wb") as archive:
            names = subprocess.Popen(["find", "."], cwd=first, stdout=subprocess.PIPE)
            subprocess.run(["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0"], cwd=first, stdin=names.stdout, stdout=archive, check=True)

        for name in ("usr/bin", "usr/sbin", "usr/lib/x86_64-linux-gnu", "usr/lib64", "usr/lib/udev", "usr/lib/systemd", "etc", "root", "mnt"):
            os.makedirs(os.path.join(root, name))
        for name in ("proc", "sys", "dev", "run", "tmp"):
            os.makedirs(os.path.join(root, name))
        for name in ("bin", "sbin", "lib", "lib64"):
            os.symlink("usr/" + name, os.path.join(root, name))
        shutil.copy("/bin/busybox", root + "/usr/bin/busybox")
        for applet in set(output("/bin/busybox", "--list").split()) - {"busybox"}:
            os.symlink("busybox", f"{root}/usr/bin/{applet}")
        for path in PROGRAMS + [path for name, path in files.items() if name.startswith("usr/bin/")]:
            self.program(root, path)
        # mtools converts the names on a FAT file system.
        for path in glob.glob("/usr/lib/x86_64-linux-gnu/gconv/gconv-modules*") + ["/usr/lib/x86_64-linux-gnu/gconv/IBM850.so"]:
            subprocess.run(["cp", "-r", "--parents", path, root], check=True)
        for name, target in LINKS.items():
            self.replace(os.path.join(root, name))
            os.symlink(target, os.path.join(root, name))
        for name, path in files.items():
            self.replace(os.path.join(root, name))
            subprocess.run(["cp", "--sparse=always", path, os.path.join(root, name)], check=True)
        subprocess.run(["strip", *(os.path.join(root, name) for name in files if name.startswith("usr/bin/"))], check=True)
        shutil.copytree("/usr/lib/udev/rules.d", root + "/usr/lib/udev/rules.d")
        shutil.move(modules, os.path.join(root, "usr/lib/modules", version))
        for name, text in {"passwd": "root:x:0:0:root:/root:/bin/sh\n", "group": "root:x:0:\ndisk:x:6:\n"}.items():
            self.script(f"{root}/etc/{name}", text)
        self.script(root + "/init", INIT)
        size = int(output("du", "-sk", root).split()[0]) // 1024 + 128
        subprocess.run(
            ["mke2fs", "-q", "-F", "-t", "ext4", "-O", "^has_journal", "-E", "root_owner=0:0", "-d", root, self.image, f"{size}M"], check=True)
        for name in (package, root, first):
            shutil.rmtree(name)

    @staticmethod
    def script(path, text):
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o755)

    @staticmethod
    def replace(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.lexists(path):
            os.unlink(path)

    def program(self, root, path):
        """Copies a program with the libraries that it loads."""
        needs = subprocess.run(["ldd", path], stdout=subprocess.PIPE, text=True).stdout.split()
        for file in [path] + [word for word in needs if word.startswith("/")]:
            target = root + (file if file.startswith("/usr") else "/usr" + file)
            if file == path and not path.startswith("/usr"):
                continue
            if not os.path.exists(target) or os.path.islink(target):
                self.replace(target)
                shutil.copy(os.path.realpath(file), target)


class Board:
    """QEMU, with an xHCI (bus `usb`), hubs where asked for, and an EHCI (bus `slow`) for high speed. It ends with this process."""

    def __init__(self, disk, folder, *, processors=1, memory=1536, devices=()):
        self.console = os.path.join(folder, "console.log")
        self.errors = os.path.join(folder, "emulator.log")
        self.jobs, self.events, self.answers = {}, [], {}
        self.changed, self.number, self.plugged = threading.Condition(), 0, {}
        (monitor, its_monitor), (agent, its_agent) = socket.socketpair(), socket.socketpair()
        self.monitor, self.agent = monitor, agent
        words = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-machine", "q35", "-cpu", "max", "-m", f"{memory}M",
            "-accel", "tcg,tb-size=256,thread=" + ("single" if processors == 1 else "multi"), "-smp", str(processors),
            "-kernel", disk.kernel, "-initrd", disk.initrd, "-append", "console=ttyS0 quiet panic=-1 net.ifnames=0", "-no-reboot",
            "-chardev", "file,id=console,path=" + self.console, "-serial", "chardev:console",
            "-chardev", f"socket,id=monitor,fd={its_monitor.fileno()}", "-mon", "chardev=monitor,mode=control",
            "-chardev", f"socket,id=agent,fd={its_agent.fileno()}", "-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,nr=1",
            "-drive", f"if=none,id=system,format=raw,snapshot=on,file={disk.image}", "-device", "virtio-blk-pci,drive=system",
            "-blockdev", "null-co,node-name=fixed,size=1073741824,read-zeroes=on", "-device", "ide-hd,drive=fixed,bus=ide.0",
            "-device", "qemu-xhci,id=usb,p2=15,p3=15", "-device", "usb-ehci,id=slow", *devices,
        ]

        with open(self.errors, "wb") as errors:
            self.process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, pass_fds=(its_monitor.fileno(), its_agent.fileno()), preexec_fn=die_with_parent)
        its_monitor.close()
        its_agent.close()
        threading.Thread(target=self.hear_monitor, daemon=True).start()
        threading.Thread(target=self.hear_agent, daemon=True).start()
        self.tell("qmp_capabilities")
        self.until(lambda: "ready" in self.answers, 180, "the board did not start, see " + self.console)

    def end(self):
        self.process.kill()
        self.process.wait()

    def until(self, condition, timeout, otherwise):
        with self.changed:
            if not self.changed.wait_for(lambda: condition() or self.process.poll() is not None, timeout) or not condition():
                raise AssertionError(otherwise)

    # Commands in the board.

    def start(self, script):
        job = Job(script)
        with self.changed:
            self.number += 1
            self.jobs[str(self.number)] = job
            line = f"{self.number} {base64.b64encode(script.encode()).decode()}\n"
            self.agent.sendall(line.encode())
        return job

    def run(self, script, timeout=300):
        return self.start(script).wait(timeout)

    def sleep(self):
        """Suspends the board to memory (ACPI S3), once in its life; till `wake` nothing in it runs."""
        job = self.start("echo deep >/sys/power/mem_sleep && echo mem >/sys/power/state")
        self.until(lambda: any(event["event"] == "SUSPEND" for event in self.events) or job.ended.is_set(), 60, "the board does not fall asleep")
        if job.ended.is_set():
            raise AssertionError(f"the board does not fall asleep: {job.result}")
        return job

    def wake(self):
        self.events = [event for event in self.events if event["event"] != "SUSPEND"]
        self.tell("system_wakeup")

    def hear_agent(self):
        for line in lines(self.agent):
            words = line.split()
            with self.changed:
                if words == ["ready"]:
                    self.answers["ready"] = True
                elif len(words) == 4:
                    job = self.jobs.pop(words[0])
                    job.result = Result(int(words[1]), *(base64.b64decode(word[1:]).decode(errors="replace") for word in words[2:]))
                    job.ended.set()
                self.changed.notify_all()
        with self.changed:
            for job in self.jobs.values():
                job.ended.set()
            self.changed.notify_all()

    # The emulator's monitor.

    def tell(self, command, **arguments):
        with self.changed:
            self.number += 1
            name = f"m{self.number}"
        self.monitor.sendall((json.dumps({"execute": command, "arguments": arguments, "id": name}) + "\n").encode())
        self.until(lambda: name in self.answers, 60, f"the emulator does not answer {command}")
        answer = self.answers.pop(name)
        if "error" in answer:
            raise AssertionError(f"{command}: {answer['error']['desc']}")
        return answer["return"]

    def hear_monitor(self):
        for line in lines(self.monitor):
            message = json.loads(line)
            with self.changed:
                if "id" in message:
                    self.answers[message["id"]] = message
                elif "event" in message:
                    self.events.append(message)
                self.changed.notify_all()

    # Sticks.

    def plug(self, stick, port, *, bus="usb.0", serial=None, driver="usb-storage", is_read_only=False, sector=512, **more):
        """
        port    of the controller or, as in `4.1`, of a hub; None where the bus has none
        driver  `usb-storage`, or that of a disk that is no stick
        """
        node, name = stick.name, "dev-" + stick.name
        self.tell(
            "blockdev-add", driver="raw", **{"node-name": node, "read-only": is_read_only},
            file={"driver": "nbd", "server": {"type": "unix", "path": stick.socket_path}, "read-only": is_read_only})
        place = {"bus": bus, **({"port": port} if port else {}), **({"serial": serial} if serial is not None else {})}
        if driver != "usb-storage":
            self.tell("device_add", driver=driver, id=name, drive=node, **place, **more)
        elif sector == 512:
            more = {"removable": True, **more}
            self.tell("device_add", driver=driver, id=name, drive=node, rerror="report", werror="report", **place, **more)
        else:
            # usb-storage cannot say another sector size; a bridge with a disk behind it can.
            self.tell("device_add", driver="usb-bot", id=name, **place)
            self.tell(
                "device_add", driver="scsi-hd", id=name + "-disk", bus=name + ".0", drive=node, removable=True, logical_block_size=sector,
                physical_block_size=sector, rerror="report", werror="report")
            self.tell("qom-set", path="/machine/peripheral/" + name, property="attached", value=True)
        self.plugged[node] = stick

    def pull(self, stick):
        """Plugs it out, whatever it is doing."""
        self.delete("dev-" + stick.name)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.tell("blockdev-del", **{"node-name": stick.name})
                break
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)
        del self.plugged[stick.name]

    def delete(self, name):
        self.tell("device_del", id=name)
        self.until(
            lambda: any(event["event"] == "DEVICE_DELETED" and event.get("data", {}).get("device") == name for event in self.events), 60, f"{name} cannot be pulled")
        self.events = [event for event in self.events if event.get("data", {}).get("device") != name]
