"""What is done to sticks and what must come of it. Each scenario says what it promises in its first line, which --list prints."""
import json
import os
import threading
import time

from .firmware import consoles_of_start
from .judge import Replay, Tables
from .stick import FLUSH as FLUSHING, READ as READING, WRITE as WRITING

MIB = 1 << 20
ALL = {}

# docs/exit-codes.md
INPUT_OUTPUT, REFUSED, FAKE, WRITE_PROTECTED, TOO_SMALL, UNPLUGGED, WRONG_BYTES, SLEPT, INTERRUPTED = 74, 77, 92, 93, 94, 95, 96, 100, 130


def scenario(function):
    ALL[function.__name__.replace("_", "-")] = function
    return function


def expect(condition, what, seen=""):
    if not condition:
        raise AssertionError(f"expected: {what}\n{seen}")


def rows(bench, *words):
    return json.loads(bench.board.run("vsmp usb list --json " + " ".join(words)).out)


def disks(bench, *sticks):
    """The disks that the board's kernel made of sticks, found by their serial numbers, once udev has looked at them."""
    script = "for d in /sys/block/sd*; do p=$(readlink -f $d); while [ ! -e $p/serial ] && [ $p != / ]; do p=$(dirname $p); done; " \
        "[ $(cat $d/size) = 0 ] || echo $(cat $p/serial) /dev/$(basename $d); done; udevadm settle"
    deadline = time.monotonic() + 60
    while True:
        result = bench.board.run(script)
        found = dict(line.split() for line in result.out.splitlines() if len(line.split()) == 2)
        if all(stick.name.upper() in found for stick in sticks):
            return [found[stick.name.upper()] for stick in sticks]
        expect(time.monotonic() < deadline, f"disks of {[stick.name for stick in sticks]}", result)
        time.sleep(0.2)


def plugged(bench, name, port, size=None, plug=None, bus="usb.0", **how):
    """A stick whose serial number is its name in capitals."""
    stick = bench.stick(name, size, **how)
    bench.board.plug(stick, port, bus=bus, serial=name.upper(), **(plug or {}))
    return stick


def kit(bench, nodes, name="kit"):
    path = f"/tmp/{name}-{nodes}"
    result = bench.board.run(f"[ -d {path} ] || vsmp kit create --edition development --nodes {nodes} --out {path}")
    expect(result.status == 0, "a kit", result)
    return path


def tables(stick):
    return Tables(stick.contents, stick.size)


def no_stick(stick, result):
    expect(tables(stick).is_no_stick, f"{stick.name} is no stick", f"{tables(stick)}\n{result}")


def whole(stick, result):
    expect(tables(stick).is_whole, f"{stick.name} is whole", f"{tables(stick)}\n{result}")


WRITE = "vsmp usb write /root/firmware.img"
GUEST = "--kernel /root/vmlinuz --initrd /root/initrd --append 'console=ttyS0 quiet vsmp.check=none'"


@scenario
def finding(bench):
    """Sticks of one serial number are told apart by their ports, a slow port and a write-protected stick are said, no other disk may be written."""
    bench.board.tell("device_add", driver="usb-hub", id="hub", bus="usb.0", port="4")
    try:
        for name, port, bus, how in (("a", "1", "usb.0", {}), ("b", "4.1", "usb.0", {}), ("c", "4.2", "usb.0", {"is_read_only": True}), ("d", "1", "slow.0", {})):
            bench.board.plug(bench.stick(name), port, bus=bus, serial="SAME", **how)
        # The first one is the SATA disk.
        bench.board.run("for try in $(seq 300); do [ $(ls -d /sys/block/sd? | wc -l) = 5 ] && break; sleep 0.1; done; udevadm settle")
        seen = rows(bench)
        by_port = {row["port"]: row for row in seen}
        expect(set(by_port) == {"2-1", "1-4.1", "1-4.2", "3-1"}, "four ports", seen)
        expect(all(row["serial"] == "SAME" and row["identifier"] == "46f4:0001" for row in seen), "one serial number", seen)
        expect(len({row["identity"] for row in seen}) == 4 and len({row["disk"] for row in seen}) == 4, "four identities and disks", seen)
        expect(all(row["size"] == bench.sticks[0].size for row in seen), "the sizes", seen)
        speeds = {"2-1": "super", "1-4.1": "full", "1-4.2": "full", "3-1": "high"}
        expect({port: row["speed"] for port, row in by_port.items()} == speeds, f"speeds {speeds}", seen)
        expect(all(any("12 Mbit/s" in warning for warning in row["warnings"]) == (row["speed"] == "full") for row in seen), "the slow ports are said", seen)
        refusals = {port: [refusal["rule"] for refusal in row["refusals"]] for port, row in by_port.items()}
        expect(refusals == {"2-1": [], "1-4.1": [], "1-4.2": ["read-only"], "3-1": []}, "only the write-protected one is refused", refusals)
        hidden = rows(bench, "--all")
        others = {row["disk"]: {refusal["rule"] for refusal in row["refusals"]} for row in hidden if "port" not in row}
        expect(others == {"/dev/vda": {"root-disk", "not-removable", "not-usb"}, "/dev/sda": {"not-removable", "not-usb"}}, "the other disks are refused", others)
        for words in ("--hub 1-4", "--port 1-4.1", "--port 1-4.2"):
            refused = {row["port"] for row in rows(bench, words) if any(refusal["rule"] == "not-allowed" for refusal in row["refusals"])}
            allowed = {"--hub 1-4": {"1-4.1", "1-4.2"}, "--port 1-4.1": {"1-4.1"}, "--port 1-4.2": {"1-4.2"}}[words]
            expect(refused == set(by_port) - allowed, f"{words} allows {allowed}", refused)
        result = bench.board.run(f"{WRITE} {by_port['3-1']['disk']} --identity {by_port['2-1']['identity']}")
        expect(result.status == REFUSED and "port" in result.errors, "an identity names one port", result)
    finally:
        bench.remove_all()
        bench.board.delete("hub")


@scenario
def watching(bench):
    """Whoever watches the ports hears within seconds of sticks that come and go."""
    first = plugged(bench, "first", "1")
    disks(bench, first)
    watch = bench.board.start("exec vsmp usb list --watch --json >/tmp/watch 2>/tmp/watch.errors")
    try:
        def heard(event, name):
            script = f"for try in $(seq 300); do grep '\"event\":\"{event}\"' /tmp/watch | grep '\"serial\":\"{name}\"' | grep /dev/sd && exit; sleep 0.1; done; exit 1"
            result = bench.board.run(script)
            expect(result.status == 0, f"{event} {name}", bench.board.run("cat /tmp/watch /tmp/watch.errors"))
        heard("present", "FIRST")
        second = plugged(bench, "second", "2")
        result = bench.board.run("for try in $(seq 300); do grep SECOND /tmp/watch | grep -E 'arrived|changed' | grep /dev/sd && exit; sleep 0.1; done; exit 1")
        expect(result.status == 0, "arrived SECOND", bench.board.run("cat /tmp/watch /tmp/watch.errors"))
        bench.board.pull(first)
        heard("left", "FIRST")
        bench.board.pull(second)
        heard("left", "SECOND")
    finally:
        bench.board.run("kill -INT $(pidof vsmp)")
        expect(watch.wait(30).status == INTERRUPTED, "^C ends the watching", watch.result)


@scenario
def kit_behind_hub(bench):
    """A kit of two sticks behind one hub is written; both are whole, and the guest is on the first."""
    bench.board.tell("device_add", driver="usb-hub", id="hub", bus="usb.0", port="4")
    try:
        sticks = plugged(bench, "one", "4.1"), plugged(bench, "two", "4.2")
        names = disks(bench, *sticks)
        result = bench.board.run(f"{WRITE} {' '.join(names)} --kit {kit(bench, 2)} {GUEST} --json", 600)
        expect(result.status == 0, "both are written", result)
        reports = json.loads(result.out)
        expect([report["node"] for report in reports] == [0, 1] and [report["target"] for report in reports] == names, "numbered as they were named", result)
        for stick in sticks:
            whole(stick, result)
            verified = bench.local("image", "verify", stick.path)
            expect(verified.returncode == 0, f"vsmp image verify of {stick.name}", verified.stdout)
        seen = rows(bench)
        expect({row["holds"]["kit"] for row in seen} == {reports[0]["kit"]}, "the list names the kit", seen)
    finally:
        bench.remove_all()
        bench.board.delete("hub")


@scenario
def refused(bench):
    """A write-protected stick, a mounted, a held and a swapped one, a partition, the system's disk and a SATA disk are refused, and nothing is written to any of them."""
    protected, mounted = plugged(bench, "protected", "1", plug={"is_read_only": True}), plugged(bench, "mounted", "2")
    held, swap, immovable = plugged(bench, "held", "3"), plugged(bench, "swap", "4"), plugged(bench, "immovable", "5", plug={"removable": False})
    names = dict(zip(("protected", "mounted", "held", "swap", "immovable"), disks(bench, protected, mounted, held, swap, immovable)))
    setup = bench.board.run(
        f"mkfs.fat -I {names['mounted']} && mkfs.fat -I {names['held']} && mkdir -p /mnt/m /mnt/h && mount -t vfat {names['mounted']} /mnt/m && "
        f"mkswap {names['swap']} && swapon {names['swap']} && sync || exit 1; unshare -m sh -c 'mount -t vfat {names['held']} /mnt/h && exec sleep 600' & sleep 2")
    expect(setup.status == 0, "stand-ins for a busy computer", setup)
    mounts = bench.board.run("cat /proc/mounts /proc/$(pidof sleep)/mounts").out
    expect(f"{names['held']} /mnt/h" in mounts and mounts.count(names['mounted']) == 2, "one is mounted, one elsewhere", mounts)
    before = {stick.name: stick.written for stick in bench.sticks}
    try:
        for name, status, word in (
                ("protected", WRITE_PROTECTED, "write-protected"), ("mounted", REFUSED, "mounted on /mnt/m"), ("held", REFUSED, "another program is using it"), ("swap", REFUSED, "swap"),
                ("immovable", REFUSED, "fixed disk")):
            result = bench.board.run(f"{WRITE} {names[name]}")
            expect(result.status == status and word in result.errors, f"{name}: status {status}, {word}", result)
        result = bench.board.run(f"{WRITE} /dev/vda")
        expect(result.status == REFUSED and "root file system" in result.errors and "no USB device" in result.errors, "the system's disk is refused", result)
        result = bench.board.run(f"{WRITE} /dev/sda")
        expect(result.status == REFUSED and "no USB device" in result.errors, "the SATA disk is refused", result)
        expect({stick.name: stick.written for stick in bench.sticks} == before, "nothing is written", before)
    finally:
        bench.board.run("umount /mnt/m; swapoff -a; kill $(pidof sleep)")


@scenario
def too_small(bench):
    """A stick without room for the image, and one without room for image and guest, are refused before a byte is written."""
    small, tight = plugged(bench, "small", "1", bench.image_size - 64 * MIB), plugged(bench, "tight", "2", bench.image_size)
    names = disks(bench, small, tight)
    result = bench.board.run(f"{WRITE} {names[0]}")
    expect(result.status == TOO_SMALL, f"status {TOO_SMALL}", result)
    result = bench.board.run(f"truncate -s 300M /tmp/large && {WRITE} {names[1]} --kit {kit(bench, 1)} --kernel /root/vmlinuz --initrd /tmp/large; s=$?; rm /tmp/large; exit $s")
    expect(result.status == TOO_SMALL, f"status {TOO_SMALL}", result)
    expect(small.written == 0 and tight.written == 0, "nothing is written")


class Moment:
    """A moment that a stick's medium waits at: the first request of a kind at which `condition` holds, which is held till `release`."""

    def __init__(self, kind, condition):
        self.kind, self.condition, self.reached, self.released = kind, condition, threading.Event(), threading.Event()
        self.answer = True

    def before(self, request):
        if request.kind == self.kind and not self.released.is_set() and self.condition(request):
            self.reached.set()
            self.released.wait(120)
        return self.answer if self.released.is_set() else True

    def wait(self, job, what):
        while not self.reached.wait(0.5):
            expect(not job.ended.is_set(), what, job.result)


# From here on lies what is used of the first firmware partition.
BODY = 2 * MIB


def in_body(request):
    return request.offset >= BODY


@scenario
def unplugged(bench):
    """A stick that is pulled at any moment has its own verdict and is no stick, one that comes in its place is not touched, the other one of the kit is finished."""
    for moment in ("writing", "reading", "finishing"):
        at = bench.random.randrange(4 * MIB, 24 * MIB)
        seen = {"bytes": 0}

        def condition(request):
            if moment == "finishing":
                return victim.written >= 30 * MIB and not in_body(request)
            if moment == "reading" and victim.written < 30 * MIB or not in_body(request):
                return False
            seen["bytes"] += request.count
            return seen["bytes"] >= at

        pulled = Moment(READING if moment == "reading" else WRITING, condition)
        victim, other = plugged(bench, "victim", "1"), plugged(bench, "other", "2")
        names = disks(bench, victim, other)
        victim.before = pulled.before
        job = bench.board.start(f"{WRITE} {' '.join(names)} --kit {kit(bench, 2)}")
        pulled.wait(job, f"{moment} comes to {at} bytes")
        pulled.answer = False
        threading.Timer(0.5, pulled.released.set).start()
        bench.board.pull(victim)
        stranger = bench.stick("stranger")
        bench.board.plug(stranger, "1", serial="VICTIM")
        result = job.wait(400)
        expect(result.status == UNPLUGGED, f"pulled while {moment} at {at}: status {UNPLUGGED}", result)
        expect("1 of 2 sticks were written" in result.errors, "the other one is finished", result)
        expect(not tables(victim).starts, "the pulled one does not start", tables(victim))
        if moment != "finishing":
            no_stick(victim, result)
        whole(other, result)
        expect(stranger.written == 0, "the one in its place is not touched", stranger.written)
        bench.remove_all()


@scenario
def slept(bench):
    """A stick that is pulled while the computer sleeps has its own verdict and is no stick; one that is still there when it wakes is written to its end."""
    victim, other = (plugged(bench, name, port, rate=4 * MIB) for name, port in (("victim", "1"), ("other", "2")))
    job = bench.board.start(f"{WRITE} {' '.join(disks(bench, victim, other))} --kit {kit(bench, 2)}")
    while min(victim.written, other.written) < 12 * MIB:
        expect(not job.ended.wait(0.2), "the writing goes on", job.result)
    sleep = bench.board.sleep()
    bench.board.pull(victim)
    # The board's kernel measures its sleep by a clock that ticks once a second.
    time.sleep(3)
    bench.board.wake()
    expect(sleep.wait(120).status == 0, "the board slept", sleep.result)
    result = job.wait(400)
    expect(result.status == SLEPT and "this computer slept" in result.errors, f"pulled in its sleep: status {SLEPT}", result)
    expect("1 of 2 sticks were written" in result.errors, "the one that stayed is written", result)
    no_stick(victim, result)
    whole(other, result)


@scenario
def interrupted(bench):
    """^C ends the writing, and neither stick is one."""
    at = bench.random.randrange(4 * MIB, 24 * MIB)
    moment = Moment(WRITING, lambda request: in_body(request) and first.written >= at)
    first, second = plugged(bench, "first", "1"), plugged(bench, "second", "2", rate=1 * MIB)
    names = disks(bench, first, second)
    first.before = moment.before
    job = bench.board.start(f"exec {WRITE} {' '.join(names)} --kit {kit(bench, 2)}")
    moment.wait(job, f"writing comes to {at} bytes")
    bench.board.run("kill -INT $(pidof vsmp)")
    threading.Timer(0.5, moment.released.set).start()
    result = job.wait(120)
    expect(result.status == INTERRUPTED, f"status {INTERRUPTED}", result)
    for stick in (first, second):
        no_stick(stick, result)


@scenario
def bad_sector(bench):
    """A sector that cannot be written, and one that cannot be read back, has its own verdict, which names the sector, and leaves no stick."""
    for kind in (WRITING, READING):
        stick = plugged(bench, "bad", "1")
        bad = threading.Event()

        def before(request):
            # A sector of what is used: the first that is written after so much.
            if kind == WRITING and not bad.is_set() and request.kind == WRITING and in_body(request) and stick.written >= 10 * MIB:
                stick.bad = request.offset + bench.random.randrange(request.count) // 512 * 512
                bad.set()
            if kind == READING and not bad.is_set() and request.kind == READING and in_body(request) and stick.written >= 30 * MIB:
                stick.bad = request.offset + bench.random.randrange(request.count) // 512 * 512
                bad.set()
            return not (bad.is_set() and request.kind == kind and request.touches(stick.bad, stick.bad + 512))

        name = disks(bench, stick)[0]
        stick.before = before
        result = bench.board.run(f"{WRITE} {name}")
        expect(result.status == INPUT_OUTPUT, f"status {INPUT_OUTPUT} for a sector at {stick.bad}", result)
        numbers = [int(number) for number in "".join(c if c.isdigit() else " " for c in result.errors).split()]
        expect(stick.bad in numbers or stick.bad // 512 in numbers, f"the message names sector {stick.bad // 512}, at {stick.bad}", result)
        no_stick(stick, result)
        bench.remove_all()


@scenario
def false_capacity(bench):
    """A stick that claims 64 GB and wraps, or loses what is written beyond its end, is found within 30 s and 256 MiB, and is no stick."""
    for beyond in ("wrap", "vanish"):
        size = bench.random.randrange(300, 4000) * MIB
        liar = plugged(bench, "liar", "1", size, claim=64_000_000_000, beyond=beyond)
        name = disks(bench, liar)[0]
        begin = time.monotonic()
        result = bench.board.run(f"{WRITE} {name}")
        seconds = time.monotonic() - begin
        expect(result.status == FAKE, f"{beyond} at {size}: status {FAKE}", result)
        expect(liar.written <= 256 * MIB, "at most 256 MiB are written", liar.written)
        expect(seconds < 30, "it takes less than 30 s", seconds)
        no_stick(liar, result)
        print(f"      {beyond} at {size >> 20} MiB: found in {seconds:.1f} s with {liar.written / MIB:.1f} MiB written")
        bench.remove_all()


@scenario
def changed_behind(bench):
    """A byte that changes on the medium after it was flushed and before it is read back is noticed: nothing is compared with the page cache."""
    stick = plugged(bench, "rotten", "1")
    places, changed = [], []

    def after(request):
        # Marks that look for false capacity are smaller.
        if request.kind == WRITING and in_body(request) and request.count > 4096:
            places.append((request.offset, request.count))
        if request.kind == FLUSHING and sum(count for _, count in places) >= 20 * MIB and not changed:
            offset, count = bench.random.choice(places)
            changed.append(offset + bench.random.randrange(count))
            stick.change(changed[0])

    name = disks(bench, stick)[0]
    stick.after = after
    result = bench.board.run(f"{WRITE} {name}")
    expect(changed, "the medium was flushed before it was read back", result)
    expect(result.status == WRONG_BYTES, f"status {WRONG_BYTES}", result)
    no_stick(stick, result)


@scenario
def order(bench):
    """At no write, and at no torn one, the stick could start before all of it was verified; from the last flush on it is whole."""
    stick = plugged(bench, "order", "1", records=True)
    name = disks(bench, stick)[0]
    # An older stick of the same image: what was whole before does not stay half.
    first = bench.board.run(f"{WRITE} {name}")
    expect(first.status == 0, "written", first)
    whole(stick, first)
    start = stick.contents(0, stick.size)
    stick.log.clear()
    result = bench.board.run(f"{WRITE} {name}")
    expect(result.status == 0, "written anew", result)
    replayed = Replay(start)
    log = stick.log
    expect(sum(request.kind == FLUSHING for request in log) >= 3, "it is flushed in between", [request.kind for request in log])
    cleared = completed = None
    for index, request in enumerate(log):
        if request.kind != WRITING:
            continue
        for part in replayed.torn(request):
            state = replayed.tables()
            if not state.starts and cleared is None:
                cleared = index
            if state.starts and cleared is not None:
                completed = completed if completed is not None else index
                expect(state.backup, f"write {index} of {len(log)} to {request.offset}, {part} bytes of it: what starts has a whole table", state)
    expect(cleared is not None and completed is not None, "cleared and completed", (cleared, completed))
    expect(replayed.tables().is_whole, "whole in the end", replayed.tables())
    expect(all(request.offset == 0 for request in log[completed:] if request.kind == WRITING), "nothing but the first block is written then")
    expect(all(not in_body(request) for request in log[:cleared] if request.kind == WRITING), "cleared before anything else is written")
    expect(any(request.kind == FLUSHING for request in log[cleared:next(i for i, r in enumerate(log) if r.kind == WRITING and in_body(r))]), "and flushed", None)
    expect(log[completed - 1].kind == FLUSHING or any(r.kind == FLUSHING for r in log[completed - 3:completed]), "flushed before the first block is written", None)
    expect(any(request.kind == FLUSHING for request in log[completed:]), "flushed at the end", None)
    expect(bytes(replayed.bytes) == stick.contents(0, stick.size), "the log is all that was written", None)
    print(f"      {len(log)} writes and flushes: the boot signature went with the {cleared + 1}st and came with the {completed + 1}th")


@scenario
def whole_kit(bench):
    """The stick of a machine of one board is written with its guest, and kept for a board to start from."""
    stick = plugged(bench, "whole", "1")
    result = bench.board.run(f"{WRITE} {disks(bench, stick)[0]} --kit {kit(bench, 1)} {GUEST}")
    expect(result.status == 0, "written", result)
    whole(stick, result)
    bench.keep(stick, "whole-kit.stick")


@scenario
def plain_copy(bench):
    """A copy by dd is the image, byte for byte; so it boots as the image does."""
    stick = plugged(bench, "copy", "1")
    result = bench.board.run(f"dd if=/root/firmware.img of={disks(bench, stick)[0]} bs=4M oflag=direct conv=fsync,nocreat", 600)
    expect(result.status == 0, "dd", result)
    with open(bench.image, "rb") as image:
        at = 0
        while piece := image.read(8 * MIB):
            expect(stick.contents(at, len(piece)) == piece, f"the bytes at {at}", result)
            at += len(piece)
    expect(tables(stick).starts and tables(stick).primary, "it starts", tables(stick))
    bench.keep(stick, "copy.stick")


@scenario
def large_sectors(bench):
    """A stick with sectors of 4096 bytes is written, is whole, and a board starts its machine from it under UEFI."""
    stick = plugged(bench, "wide", "1", plug={"sector": 4096})
    result = bench.board.run(f"{WRITE} {disks(bench, stick)[0]} --kit {kit(bench, 1)} {GUEST}")
    expect(result.status == 0, "written", result)
    state = Tables(stick.contents, stick.size, 4096)
    expect(state.is_whole, "whole", state)
    said = consoles_of_start(stick.path, os.path.join(bench.log, "large-sectors"), 4096, "VSMP-EXIT")
    expect("VSMP-EXIT 0" in said, "the guest's verdict", said[-3000:])


@scenario
def system_stick(bench):
    """The stick that the computer itself runs from is refused."""
    stick = plugged(bench, "running", "1")
    name = disks(bench, stick)[0]
    made = bench.board.run(
        f"mke2fs -q {name} && mkdir -p /mnt/s && mount -t ext4 {name} /mnt/s && cp -a /bin /sbin /lib /lib64 /usr /mnt/s && "
        "for d in proc sys dev run tmp root; do mkdir -p /mnt/s/$d && mount --rbind /$d /mnt/s/$d; done")
    expect(made.status == 0, "a system on a stick", made)
    before = stick.written
    try:
        result = bench.board.run(f"chroot /mnt/s {WRITE} {name}")
        expect(result.status == REFUSED and "root file system" in result.errors, "refused: it holds the root file system", result)
    finally:
        bench.board.run("for d in proc sys dev run tmp root; do umount -l /mnt/s/$d; done; umount /mnt/s")
    expect(before > 0, "the stand-in is real")


@scenario
def other_makers(bench):
    """Devices of any maker, product and serial number, by the kernel's own gadgets: each is described as it is, a reader without a card is refused, a stick is written."""
    made = bench.board.run("""
modprobe dummy_hcd num=2 && modprobe libcomposite && modprobe usb_f_mass_storage && truncate -s 400M /tmp/medium || exit 1
mount -t configfs none /sys/kernel/config || exit 1
cd /sys/kernel/config/usb_gadget || exit 1
for i in 0 1; do
    mkdir g$i g$i/strings/0x409 g$i/configs/c.1 g$i/functions/mass_storage.0 || exit 1
    echo $((i == 0 ? 0x0951 : 0x0781)) >g$i/idVendor; echo $((i == 0 ? 0x1666 : 0x5581)) >g$i/idProduct
    echo MAKER$i >g$i/strings/0x409/manufacturer; echo PRODUCT$i >g$i/strings/0x409/product; echo NUMBER$i >g$i/strings/0x409/serialnumber
    echo 1 >g$i/functions/mass_storage.0/lun.0/removable
    ln -s g$i/functions/mass_storage.0 g$i/configs/c.1 || exit 1
done
""")
    if made.status != 0:
        raise AssertionError(f"no gadgets\n{made}\n{bench.board.run('dmesg | tail -20')}")
    try:
        result = bench.board.run("""
cd /sys/kernel/config/usb_gadget
echo /tmp/medium >g0/functions/mass_storage.0/lun.0/file && echo dummy_udc.0 >g0/UDC && echo dummy_udc.1 >g1/UDC
for try in $(seq 300); do grep -qs NUMBER1 /sys/bus/usb/devices/*/serial && [ $(grep -ls NUMBER0 /sys/bus/usb/devices/*/serial | wc -l) = 1 ] && break; sleep 0.1; done
sleep 3; udevadm settle
""")
        expect(result.status == 0, "gadgets", f"{result}\n{bench.board.run('dmesg | tail -30')}")
        seen = {row.get("serial"): row for row in rows(bench)}
        expect(set(seen) == {"NUMBER0", "NUMBER1"}, "two devices", seen)
        one, none = seen["NUMBER0"], seen["NUMBER1"]
        expect((one["identifier"], one["manufacturer"], one["product"]) == ("0951:1666", "MAKER0", "PRODUCT0"), "maker and product", one)
        expect(none["identifier"] == "0781:5581" and {refusal["rule"] for refusal in none["refusals"]} == {"no-medium"}, "no medium", none)
        only = {row["serial"]: [refusal["rule"] for refusal in row["refusals"]] for row in rows(bench, "--vendor 0781")}
        expect("not-allowed" in only["NUMBER0"] and "not-allowed" not in only["NUMBER1"], "--vendor", only)
        result = bench.board.run(f"{WRITE} {one['disk']}")
        expect(result.status == 0, "it is written", result)
        expect([row["holds"] is not None for row in rows(bench) if row["serial"] == "NUMBER0"] == [True], "and holds the image", result)
    finally:
        bench.board.run("""
cd /sys/kernel/config/usb_gadget
for i in 0 1; do echo '' >g$i/UDC; rm g$i/configs/c.1/mass_storage.0; rmdir g$i/configs/c.1 g$i/functions/mass_storage.0 g$i/strings/0x409 g$i; done
umount /sys/kernel/config; modprobe -r dummy_hcd usb_f_mass_storage; rm -f /tmp/medium
""")


@scenario
def memory(bench):
    """Sixteen sticks take no more memory than one, but for what each thread needs."""
    peaks = {}
    for count in (1, 16):
        sticks = [plugged(bench, f"stick{number}", str(number % 15 + 1), bus="usb.0" if number < 15 else "slow.0") for number in range(count)]
        names = disks(bench, *sticks)
        # A process that has ended has no peak: it is asked while it runs.
        result = bench.board.run(
            f"env --default-signal {WRITE} {' '.join(names)} --kit {kit(bench, count)} >/tmp/out 2>&1 & writer=$!; "
            "while kill -0 $writer 2>/dev/null; do sed -n 's/^VmHWM:[^0-9]*\\([0-9]*\\).*/\\1/p' /proc/$writer/status 2>/dev/null | grep . >/tmp/peak.new && mv /tmp/peak.new /tmp/peak; sleep 0.2; done; "
            "wait $writer; status=$?; cat /tmp/peak; grep -v phase /tmp/out; exit $status", 1500)
        expect(result.status == 0, f"{count} are written", result)
        peaks[count] = int(result.out.split()[0])
        bench.remove_all()
    print(f"      memory at most: {peaks[1] / 1024:.0f} MiB with one stick, {peaks[16] / 1024:.0f} MiB with sixteen")
    expect(peaks[16] < peaks[1] + 16 * 12 * 1024, "12 MiB a stick at most", peaks)
