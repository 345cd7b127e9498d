"""A stick's life after it was first written: a station's day, verifying, wiping, updating, and getting well again."""
import json
import threading
import time

from .scenarios import (
    GUEST, INPUT_OUTPUT, INTERRUPTED, MIB, READING, REFUSED, UNPLUGGED, WRITE, WRITE_PROTECTED, WRITING, Moment, disks, expect, in_body, kit, no_stick,
    plugged, scenario, tables, whole)

DIFFERS = 97


def key(bench, folder):
    """The cluster key as it lies on a stick."""
    return bench.board.run(f"cat {folder}/cluster.key").out.strip().encode()


def holds(stick, words):
    """Whether these bytes are anywhere on the medium."""
    at, tail = 0, b""
    while at < stick.size:
        piece = stick.contents(at, 8 * MIB)
        if words in tail + piece:
            return True
        at, tail = at + len(piece), piece[-len(words):]
    return False


def log_verdicts(bench, path):
    result = bench.board.run(f"vsmp usb log verify {path} && cat {path}")
    expect(result.status == 0, "the log is as it was written", result)
    return [json.loads(line)["entry"] for line in result.out.splitlines() if line.startswith("{")]


class Station:
    """`vsmp usb station` in the board, and what its line controller hears."""

    OUT, ERRORS = "/tmp/station.out", "/tmp/station.errors"

    def __init__(self, bench, words):
        self.bench = bench
        self.job = bench.board.start(f"exec vsmp usb station {words} --json >{self.OUT} 2>{self.ERRORS}")

    def events(self):
        lines = self.bench.board.run(f"cat {self.OUT}").out.splitlines(keepends=True)
        # The last line may still be on its way.
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def rows(self):
        """What each slot says now."""
        return {event["slot"]: event for event in self.events() if event["event"] == "slot"}

    def until(self, condition, what, timeout=240):
        deadline = time.monotonic() + timeout
        while not (found := condition()):
            seen = "\n".join(str(event) for event in self.events()[-12:]) + "\n" + self.bench.board.run(f"cat {self.ERRORS}").out
            expect(not self.job.ended.is_set() and time.monotonic() < deadline, what, f"{seen}\n{self.job.result}")
            time.sleep(0.2)
        return found

    def shows(self, slot, state, **more):
        def condition():
            row = self.rows().get(slot, {})
            return row if row.get("state") == state and all(row.get(name) == value for name, value in more.items()) else None
        return self.until(condition, f"slot {slot} says {state} {more or ''}")

    def says(self, **wanted):
        return self.until(lambda: [event for event in self.events() if all(event.get(name) == value for name, value in wanted.items())], f"the station says {wanted}")


@scenario
def station(bench):
    """A station writes kit after kit at the ports of a hub: what was there before is not touched, a dying stick is replaced, ^C leaves no stick, and it goes on where it was."""
    bench.board.tell("device_add", driver="usb-hub", id="hub", bus="usb.0", port="4")
    two, one = kit(bench, 2, "line"), kit(bench, 1, "line")
    made = bench.board.run(
        "rm -f /tmp/line.log /tmp/labels; cat >/tmp/station.yaml <<END\nstation: line 1\nlog: line.log\nslots:\n"
        "  - {port: 1-4.1, label: A1, speed: high}\n  - {port: 1-4.2, label: A2}\nlabel: '{kit} {stick}/{sticks} in {slot}'\nEND")
    expect(made.status == 0, "a station file", made)
    words = f"/tmp/station.yaml /root/firmware.img {two} {one} --label /tmp/labels"
    try:
        before = plugged(bench, "before", "4.1")
        disks(bench, before)
        line = Station(bench, words)
        row = line.shows("A1", "remove-first")
        expect("12 Mbit/s" in row.get("warning", ""), "the slow port is said", row)
        line.shows("A2", "empty", stick=2, sticks=2)
        bench.board.pull(before)
        line.shows("A1", "empty", stick=1, sticks=2)
        expect(before.written == 0, "the stick that was there before is not touched", before.written)

        at = bench.random.randrange(4 * MIB, 24 * MIB)
        dying = plugged(bench, "dying", "4.2")
        dying.before = lambda request: not (request.kind == WRITING and in_body(request) and dying.written >= at)
        first = plugged(bench, "first", "4.1")
        row = line.shows("A2", "replace")
        expect(row["verdict"] == "io-error" and row["stick"] == 2 and row["message"], "the dying one's verdict", row)
        no_stick(dying, row)
        bench.board.pull(dying)
        line.shows("A2", "empty", stick=2)
        second = plugged(bench, "second", "4.2")
        line.shows("A1", "remove", stick=1)
        line.shows("A2", "remove", stick=2)
        identifier = line.says(event="kit", state="whole", before=False)[0]["kit"]
        for stick in (first, second):
            whole(stick, line.rows())
        percents = [event["percent"] for event in line.events() if event.get("slot") == "A1" and "percent" in event]
        expect(len(percents) > 3 and all(0 <= percent <= 100 for percent in percents), "progress is told", percents)

        # The next kit's only stick; ^C comes while it is written.
        bench.board.pull(first)
        line.shows("A1", "empty", stick=1, sticks=1)
        third = bench.stick("third")
        moment = Moment(WRITING, lambda request: in_body(request) and third.written >= at)
        third.before = moment.before
        bench.board.plug(third, "4.1", serial="THIRD")
        moment.wait(line.job, f"writing comes to {at} bytes")
        bench.board.run("kill -INT $(pidof vsmp)")
        threading.Timer(0.5, moment.released.set).start()
        result = line.job.wait(120)
        expect(result.status == INTERRUPTED, f"status {INTERRUPTED}", result)
        no_stick(third, result)
        entries = log_verdicts(bench, "/tmp/line.log")
        seen = sorted((entry["stick"]["slot"], entry["stick"]["serial"], entry["verdict"]) for entry in entries)
        expect(seen == [("A1", "FIRST", "verified"), ("A1", "THIRD", "interrupted"), ("A2", "DYING", "io-error"), ("A2", "SECOND", "verified")], "the log's verdicts", seen)
        expect(not any(key(bench, folder) in bench.board.run("cat /tmp/line.log /tmp/labels").out.encode() for folder in (one, two)), "no secret is in log and labels")

        # Started again it knows the first kit, and the stick whose writing was cut off is written once it was pulled.
        line = Station(bench, words)
        line.says(event="kit", kit=identifier, state="whole", before=True)
        line.shows("A1", "remove-first")
        bench.board.pull(third)
        line.shows("A1", "empty", stick=1, sticks=1)
        bench.board.plug(third, "4.1", serial="THIRD")
        result = line.job.wait(240)
        line.says(event="finished")
        expect(result.status == 0, "all kits are whole", result)
        whole(third, result)
        labels = sorted(line.split(" ", 1)[1] for line in bench.board.run("cat /tmp/labels").out.splitlines() if line)
        expect(labels == ["1/1 in A1", "1/2 in A1", "2/2 in A2"], "a label for each verified stick", labels)
    finally:
        bench.board.run("kill -KILL $(pidof vsmp)")
        bench.remove_all()
        bench.board.delete("hub")


@scenario
def verifying(bench):
    """Written sticks are right, one with a byte that changed behind everybody's back and one of another kit are not; verifying writes nothing."""
    sticks = plugged(bench, "one", "1", records=True), plugged(bench, "two", "2")
    names, two = disks(bench, *sticks), kit(bench, 2)
    result = bench.board.run(f"{WRITE} {' '.join(names)} --kit {two} {GUEST}", 600)
    expect(result.status == 0, "both are written", result)
    before = [stick.written for stick in sticks]
    verify = f"vsmp usb verify /root/firmware.img {' '.join(names)} {GUEST}"
    result = bench.board.run(f"{verify} --kit {two}", 400)
    expect(result.status == 0 and result.out.count(": right: ") == 2, "both are right", result)
    # Of what was written in pieces of some size, which are files and tables, and not a probe's marks.
    request = bench.random.choice([request for request in sticks[0].log if request.kind == WRITING and in_body(request) and request.count > 65536])
    place = request.offset + bench.random.randrange(request.count)
    sticks[0].change(place)
    result = bench.board.run(f"{verify} --kit {two}", 400)
    expect(result.status == DIFFERS and f"{names[0]}: right" not in result.out and f"{names[1]}: right" in result.out, f"the byte at {place} is found", result)
    sticks[0].change(place)
    result = bench.board.run(f"{verify} --kit {two}", 400)
    expect(result.status == 0, "as it was", result)
    result = bench.board.run(f"vsmp usb verify /root/firmware.img {names[0]} --kit {kit(bench, 3)}", 400)
    expect(result.status == DIFFERS and "kit" in result.errors, "of another kit", result)
    expect(not any(key(bench, folder).decode() in result.out + result.errors for folder in (two, kit(bench, 3))), "no secret is said", result)
    expect([stick.written for stick in sticks] == before, "nothing is written", before)


@scenario
def wiping(bench):
    """What may not be written is not wiped, either; a wiped stick has no key and no table, and one that is wiped whole has nothing."""
    mounted, protected = plugged(bench, "mounted", "1"), plugged(bench, "protected", "2", plug={"is_read_only": True})
    worn, other = plugged(bench, "worn", "3"), plugged(bench, "other", "4")
    names = dict(zip(("mounted", "protected", "worn", "other"), disks(bench, mounted, protected, worn, other)))
    one = kit(bench, 1)
    result = bench.board.run(f"{WRITE} {names['worn']} --kit {one} {GUEST} && mkfs.fat -I {names['mounted']} && mkdir -p /mnt/m && mount -t vfat {names['mounted']} /mnt/m", 400)
    expect(result.status == 0, "a written stick and a mounted one", result)
    secret = key(bench, one)
    expect(len(secret) == 64 and holds(worn, secret), "the key is on the stick")
    before = {stick.name: stick.written for stick in bench.sticks}
    try:
        for target, status, word in (
                (names["mounted"], REFUSED, "mounted on /mnt/m"), (names["protected"], WRITE_PROTECTED, "write-protected"), ("/dev/vda", REFUSED, "root file system"),
                ("/dev/sda", REFUSED, "no USB device"), (names["other"], REFUSED, "--whole"), (f"{names['worn']} --port 1-4", REFUSED, "not one of those that are allowed")):
            result = bench.board.run(f"vsmp usb wipe {target}")
            expect(result.status == status and word in result.errors, f"{target}: status {status}, {word}", result)
        # One that may not be wiped keeps the others.
        result = bench.board.run(f"vsmp usb wipe {names['worn']} {names['mounted']}")
        expect(result.status == REFUSED, "all or none", result)
        expect({stick.name: stick.written for stick in bench.sticks} == before, "nothing is written", before)
    finally:
        bench.board.run("umount /mnt/m")
    result = bench.board.run(f"vsmp usb wipe {names['worn']}", 400)
    expect(result.status == 0 and "no stick any more" in result.out, "wiped", result)
    no_stick(worn, result)
    expect(not holds(worn, secret), "the key is gone", result)
    result = bench.board.run(f"vsmp usb wipe {names['worn']}")
    expect(result.status == REFUSED and "--whole" in result.errors, "nothing is left that could be wiped", result)
    result = bench.board.run(f"vsmp usb wipe --whole {names['worn']}", 600)
    expect(result.status == 0, "wiped whole", result)
    expect(not any(any(worn.contents(at, MIB)) for at in range(0, worn.size, MIB)), "nothing is left", result)


@scenario
def replacing(bench):
    """A lost stick of a kit is written from another one of it, and a damaged partition table is mended from its other copy."""
    first, second = plugged(bench, "first", "1"), plugged(bench, "second", "2")
    two = kit(bench, 2)
    result = bench.board.run(f"{WRITE} {' '.join(disks(bench, first, second))} --kit {two}", 600)
    expect(result.status == 0, "both are written", result)
    bench.board.pull(second)
    new = plugged(bench, "new", "2", bench.image_size + bench.random.randrange(65, 900) * MIB)
    names, before = disks(bench, first, new), first.written
    result = bench.board.run(f"vsmp usb write {' '.join(names)} --kit {two} --node 1", 600)
    expect(result.status == 0 and "stick 2 of 2" in result.out, "the lost one is replaced", result)
    whole(new, result)
    expect(first.written == before, "the healthy one stays as it is", first.written)
    result = bench.board.run(f"vsmp usb verify /root/firmware.img {' '.join(names)} --kit {two}", 400)
    expect(result.status == 0 and result.out.count(": right: ") == 2, "both are right", result)

    # What the host changes the board's kernel must not remember.
    for place, copy in ((512, "primary"), (new.size - 512, "backup")):
        bench.board.pull(new)
        new.change(place + 16)
        state = tables(new)
        expect(not getattr(state, copy), f"the {copy} table is damaged", state)
        bench.board.plug(new, "2", serial="NEW")
        name = disks(bench, new)[0]
        result = bench.board.run(f"vsmp usb repair {name} --port 1-3")
        expect(result.status == REFUSED, "another port is not allowed", result)
        result = bench.board.run(f"vsmp usb repair {name}")
        expect(result.status == 0 and "both are whole again" in result.out, f"the {copy} table is mended", result)
        whole(new, result)
    result = bench.board.run(f"vsmp usb verify /root/firmware.img {name} --kit {two} --node 1", 400)
    expect(result.status == 0, "it is right", result)


@scenario
def unfinished(bench):
    """A stick whose writing was cut off when the key was on it is no stick; whoever writes it the next time leaves no key behind."""
    secret, seen = key(bench, kit(bench, 1)), threading.Event()
    stick = plugged(bench, "half", "1")
    name = disks(bench, stick)[0]
    stick.after = lambda request: seen.set() if request.kind == WRITING and secret in request.data else None
    moment = Moment(READING, lambda request: seen.is_set() and in_body(request))
    stick.before = moment.before
    job = bench.board.start(f"exec {WRITE} {name} --kit {kit(bench, 1)}")
    moment.wait(job, "the key is written and read back")
    bench.board.run("kill -KILL $(pidof vsmp)")
    moment.released.set()
    result = job.wait(120)
    no_stick(stick, result)
    expect(holds(stick, secret), "the key is on the medium", result)
    expect(b"secrets may be at" in stick.contents(4096, 4096), "and the second block says where", stick.contents(4096, 128))
    result = bench.board.run(f"{WRITE} {name}", 400)
    expect(result.status == 0, "written without a kit", result)
    whole(stick, result)
    expect(not holds(stick, secret), "no key is left", result)


@scenario
def updating(bench):
    """A stick gets a newer firmware at the bench; pulled at any write it has a bank that boots, and takes the update again. What was written is kept for a judge of every write."""
    expect(bench.newer, "a newer image: --newer FILE, from vsmp image build --image-version 2")
    update = "vsmp usb update /root/newer.img"
    calm, pulled = plugged(bench, "calm", "1"), plugged(bench, "pulled", "2")
    names, one = disks(bench, calm, pulled), kit(bench, 1)
    for name in names:
        result = bench.board.run(f"{WRITE} {name} --kit {one}", 400)
        expect(result.status == 0, "written", result)
    result = bench.board.run(f"{update} {names[0]} --port 1-3")
    expect(result.status == REFUSED and "not one of those that are allowed" in result.errors, "another port is not allowed", result)
    bench.keep(calm, "before")
    calm.log.clear()
    calm.records = True
    result = bench.board.run(f"{update} {names[0]}", 600)
    expect(result.status == 0 and "bank b holds version 2" in result.out, "updated", result)
    calm.records = False
    calm.save_log(f"{bench.log}/writes")
    bench.keep(calm, "after")
    writes = [request for request in calm.log if request.kind == WRITING]
    print(f"      {len(writes)} writes of {sum(request.count for request in writes) / MIB:.0f} MiB, {len(calm.log) - len(writes)} flushes")
    verified = bench.local("image", "verify", calm.path)
    expect(verified.returncode == 0 and verified.stdout.count("whole, ") == 2, "both banks are whole", verified.stdout)

    # The kernel merges writes as it likes, so the number of another run's is not the same.
    at, count = bench.random.randrange(1, len(writes) * 3 // 4), [0]

    def condition(request):
        count[0] += 1
        return count[0] > at

    moment = Moment(WRITING, condition)
    pulled.before = moment.before
    job = bench.board.start(f"{update} {names[1]}")
    moment.wait(job, f"writing comes to write {at}")
    moment.answer = False
    threading.Timer(0.5, moment.released.set).start()
    bench.board.pull(pulled)
    result = job.wait(400)
    expect(result.status == UNPLUGGED and "update it again" in result.errors, f"pulled at write {at} of {len(writes)}: status {UNPLUGGED}", result)
    verified = bench.local("image", "verify", pulled.path)
    expect(verified.returncode == 0 and ("bank a: whole" in verified.stdout or verified.stdout.count("whole, ") == 1), f"pulled at write {at}: the old bank is whole", verified.stdout)
    pulled.before = None
    bench.board.plug(pulled, "2", serial="PULLED")
    result = bench.board.run(f"{update} {disks(bench, pulled)[0]}", 600)
    expect(result.status == 0, "it takes the update again", result)
    verified = bench.local("image", "verify", pulled.path)
    expect(verified.returncode == 0 and verified.stdout.count("whole, ") == 2, "both banks are whole", verified.stdout)
