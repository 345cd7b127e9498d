"""Speed of writing sticks, as ratios. Each measurement prints its figures and the goal; none of them fails by being slow."""
import time

from .scenarios import MIB, WRITE, disks, expect, in_body, kit, plugged
from .stick import READ, WRITE as WRITING

ALL = {}
RATE = 5_000_000


def measurement(function):
    ALL[function.__name__.replace("_", "-")] = function
    return function


def timed(bench, script):
    begin = time.monotonic()
    result = bench.board.run(script, 3000)
    expect(result.status == 0, "it works", result)
    return time.monotonic() - begin


def write(bench, names, nodes):
    return f"{WRITE} {' '.join(names)}" + (f" --kit {kit(bench, nodes)}" if nodes > 1 else "")


class Transfers:
    """When a stick was first written, and when the last of its body was written and read back."""

    def __init__(self, stick):
        self.stick, self.first, self.end, self.last = stick, None, None, None
        stick.after = self.after

    def after(self, request):
        if request.kind not in (READ, WRITING):
            return
        self.end = time.monotonic()
        if request.kind == WRITING:
            self.first = self.first or self.end
        # What is looked at before a stick is touched is no part of it.
        if self.first and in_body(request):
            self.last = self.end


@measurement
def beside_dd(bench):
    """One stick: vsmp usb write against dd of as many bytes, and against dd of the whole image."""
    stick = plugged(bench, "one", "1", rate=RATE)
    name = disks(bench, stick)[0]
    before = stick.written, stick.read
    transfers = Transfers(stick)
    begin = time.monotonic()
    timed(bench, write(bench, [name], 1))
    written, read = stick.written - before[0], stick.read - before[1]
    stick.after = None

    def blocks(count):
        return f"bs=1M count={-(-count // MIB)}"

    same = timed(bench, f"dd if=/root/firmware.img of={name} {blocks(written)} oflag=direct conv=fsync,nocreat 2>/dev/null") + timed(
        bench, f"dd if={name} of=/dev/null {blocks(read)} iflag=direct 2>/dev/null")
    # What is looked at before a stick is touched is processor time, which a board emulated here has little of: it is said apart.
    seconds = transfers.end - transfers.first
    print(f"      vsmp usb write: {transfers.first - begin:.1f} s until it has checked the image and the stick, then {seconds:.1f} s "
          f"for {written / MIB:.0f} MiB written and {read / MIB:.0f} MiB read")
    print(f"      dd of as many bytes, written and read: {same:.1f} s; {same / seconds:.2f} of dd's rate (goal 0.95); "
          f"{same / (transfers.end - begin):.2f} with the checks")
    whole = timed(bench, f"dd if=/root/firmware.img of={name} bs=1M oflag=direct conv=fsync,nocreat 2>/dev/null") + timed(
        bench, f"dd if={name} of=/dev/null {blocks(bench.image_size)} iflag=direct 2>/dev/null")
    print(f"      dd of the whole image of {bench.image_size / MIB:.0f} MiB, written and read: {whole:.1f} s, {whole / (transfers.end - begin):.1f} times as long "
          "as vsmp usb write with its checks (goal 5)")


@measurement
def eight(bench):
    """Eight sticks at once against eight in turn."""
    sticks = [plugged(bench, f"n{number}", str(number + 1), rate=RATE) for number in range(8)]
    names = disks(bench, *sticks)
    together = timed(bench, write(bench, names, 8))
    turn = timed(bench, " && ".join(f"{WRITE} {name} --kit {kit(bench, 8)} --node {number} 2>/dev/null" for number, name in enumerate(names)))
    print(f"      eight at once {together:.1f} s, eight in turn {turn:.1f} s: {turn / together:.1f} times as long")


@measurement
def one_slow(bench):
    """Seven sticks beside one at a tenth of their speed, against eight of one speed."""
    ends = {}
    for slow in (False, True):
        sticks = [plugged(bench, f"n{number}", str(number + 1), rate=RATE / 10 if slow and number == 3 else RATE) for number in range(8)]
        names = disks(bench, *sticks)
        transfers = [Transfers(stick) for stick in sticks]
        job = bench.board.start("exec " + write(bench, names, 8))
        others = [each for number, each in enumerate(transfers) if number != 3]
        begin = time.monotonic()
        while not job.ended.is_set() and (not all(each.last for each in others) or time.monotonic() - max(each.last for each in others) < 10):
            time.sleep(0.2)
        ends[slow] = sum(each.last - begin for each in others) / 7
        if slow:
            bench.board.run("kill -INT $(pidof vsmp)")
        job.wait(600)
        bench.remove_all()
    print(f"      the other seven take {ends[False]:.1f} s, and {ends[True]:.1f} s beside a slow one: {ends[True] / ends[False] - 1:+.1%} (goal below 5%)")
