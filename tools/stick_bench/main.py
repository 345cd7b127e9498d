"""The command line of the stick bench: which scenarios there are, and what they need."""
import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

from .board import Board, Disk
from .stick import Stick

MIB = 1 << 20


class Bench:
    """What a scenario works with. `board` is shared by the scenarios of one run; the sticks of each are its own."""

    def __init__(self, arguments, top):
        self.vsmp, self.image, self.seed, self.log = arguments.vsmp, arguments.image, arguments.seed, arguments.log
        self.newer = arguments.newer
        self.guest = {"kernel": os.path.join(top, "build/guest/vmlinuz"), "initrd": os.path.join(top, "build/guest/initrd")}
        self.sockets = tempfile.mkdtemp(prefix="vsmp-sticks-")
        os.makedirs(self.log, exist_ok=True)
        files = {"usr/bin/vsmp": self.vsmp, "root/firmware.img": self.image, "root/vmlinuz": self.guest["kernel"], "root/initrd": self.guest["initrd"]}
        if self.newer:
            files["root/newer.img"] = self.newer
        self.disk = Disk(os.path.join(top, "build/stick-bench"), arguments.kernel_package, files)
        self.image_size = os.stat(self.image).st_size
        self.board, self.sticks, self.random = None, [], None

    def start(self):
        self.board = Board(self.disk, self.log, processors=int(os.environ.get("VSMP_BENCH_PROCESSORS", "1")))

    def stick(self, name, size=None, **how):
        stick = Stick(self.sockets, name, size or self.image_size + 64 * MIB, **how)
        self.sticks.append(stick)
        return stick

    def local(self, *words):
        """vsmp on this computer."""
        return subprocess.run([self.vsmp, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def keep(self, stick, name):
        """Leaves a stick's contents in the log folder."""
        subprocess.run(["cp", "--sparse=always", stick.path, os.path.join(self.log, name)], check=True)

    def remove_all(self):
        for stick in list(self.board.plugged.values()):
            self.board.pull(stick)
        for stick in self.sticks:
            stick.close()
        self.sticks.clear()

    def end(self):
        if self.board:
            self.board.end()
        shutil.rmtree(self.sockets, ignore_errors=True)


def stored_package(top, name):
    store = os.environ.get("VSMP_STORE", os.path.expanduser("~/.cache/vsmp/store"))
    for line in open(os.path.join(top, "firmware/packages.lock")):
        words = line.split()
        if words[:1] == ["package"] and words[1].startswith(name):
            path = os.path.join(store, "sha256", words[4])
            return path if os.path.exists(path) else None
    return None


def main(top, table, program, description):
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("scenario", nargs="*", help="all without")
    parser.add_argument("--list", action="store_true", help="name the scenarios")
    parser.add_argument("--vsmp", default=os.path.join(top, ".build/release/vsmp"))
    parser.add_argument("--image", default=os.path.join(top, "build/qemu-q35.img"))
    parser.add_argument("--newer", help="an image of a higher version, which some scenarios need")
    parser.add_argument("--log", default=os.path.join(top, "build/test/sticks"), help="folder for the board's console")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("VSMP_SEED", "1")))
    arguments = parser.parse_args()
    if arguments.list:
        for name, function in table.items():
            print(f"{name:20} {' '.join(function.__doc__.split())}")
        return 0
    names = arguments.scenario or list(table)
    for name in names:
        if name not in table:
            parser.error(f"there is no scenario {name}; --list names them")
    arguments.kernel_package = stored_package(top, "linux-image-")
    needs = [(arguments.vsmp, "swift build -c release --product vsmp"), (arguments.image, "vsmp image build"), (arguments.kernel_package, "vsmp image lock")]
    if arguments.newer:
        needs.append((arguments.newer, "vsmp image build --image-version 2"))
    for path, remedy in needs:
        if path is None or not os.path.exists(path):
            print(f"{program}: {path or 'the locked kernel'} is not there; run: {remedy}", file=sys.stderr)
            return 66
    bench, failed = Bench(arguments, top), 0
    # Ended by SIGTERM it leaves no sockets behind, either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        begin = time.monotonic()
        bench.start()
        print(f"      the board is up after {time.monotonic() - begin:.0f} s; seed {bench.seed}", flush=True)
        for name in names:
            begin, bench.random = time.monotonic(), random.Random(f"{bench.seed} {name}")
            try:
                table[name](bench)
                verdict = "PASS"
            except AssertionError as failure:
                verdict, failed = "FAIL", failed + 1
                print(failure)
                traceback.print_exc(limit=-2, file=sys.stdout)
            print(f"{verdict}  {name:20} {time.monotonic() - begin:5.0f} s", flush=True)
            try:
                bench.remove_all()
            except AssertionError as failure:
                print(f"the board does not let go of its sticks: {failure}")
                bench.board.end()
                bench.start()
                bench.sticks.clear()
    finally:
        bench.end()
    return 1 if failed else 0
