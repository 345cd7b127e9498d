"""A stick's medium: a file served to the emulator as an NBD export, which can lie, fail, be slow and remember what was asked of it."""
import os
import socket
import struct
import threading
import time

READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
EIO = 5


class Request:
    """What the emulator asks: `kind`, `offset` and `count` in bytes, `data` of a write."""

    def __init__(self, kind, offset, count, data):
        self.kind, self.offset, self.count, self.data = kind, offset, count, data

    def touches(self, first, last):
        return self.offset < last and first < self.offset + self.count


class Stick:
    """
    size    bytes that are really there
    claim   bytes that it says it has
    beyond  what becomes of those that are not there: 'wrap' or 'vanish'
    rate    bytes a second; None is as fast as it goes
    before  called with each request before it is done: may wait, and may return False to make it fail
    after   called with each request once it is done
    log     with `records`: every write and flush in order, with its data
    """

    def __init__(self, folder, name, size, *, claim=None, beyond="wrap", rate=None, before=None, after=None, records=False):
        self.name, self.size, self.claim, self.beyond, self.rate = name, size, claim or size, beyond, rate
        self.before, self.after, self.records = before, after, records
        self.log, self.written, self.read, self.flushes = [], 0, 0, 0
        self.path = os.path.join(folder, name + ".stick")
        self.socket_path = os.path.join(folder, name + ".nbd")
        with open(self.path, "wb") as file:
            file.truncate(size)
        self.file = os.open(self.path, os.O_RDWR)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.socket_path)
        self.listener.listen()
        self.ready_at = 0.0
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self):
        self.listener.close()
        os.unlink(self.socket_path)
        os.close(self.file)
        os.unlink(self.path)

    def change(self, offset):
        """Another byte there, as flash that forgets."""
        byte = self.contents(offset, 1)[0]
        os.pwrite(self.file, bytes([byte ^ 0x40]), offset)

    def contents(self, offset, count):
        return os.pread(self.file, count, offset)

    def save_log(self, path):
        """The log as QEMU's driver blklogwrites has it (block/blklogwrites.c): a superblock, then an entry and its data for each write, and an entry for each flush."""
        with open(path, "wb") as file:
            file.write(struct.pack("<QQQI", 0x6A736677736872, 1, len(self.log), 512).ljust(512, b"\0"))
            for request in self.log:
                file.write(struct.pack("<QQQQ", request.offset // 512, request.count // 512, 1 if request.kind == FLUSH else 0, 0).ljust(512, b"\0"))
                file.write(request.data)

    # The NBD protocol, fixed newstyle, simple replies: https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        stream = peer.makefile("rb")
        try:
            peer.sendall(b"NBDMAGICIHAVEOPT" + struct.pack(">H", 3))
            stream.read(4)
            if self.negotiated(peer, stream):
                while self.answered(peer, stream):
                    pass
        except (OSError, struct.error):
            pass  # The emulator has gone.
        finally:
            peer.close()

    def negotiated(self, peer, stream):
        def reply(option, kind, data=b""):
            peer.sendall(struct.pack(">QIII", 0x3E889045565A9, option, kind, len(data)) + data)

        while True:
            _, option, length = struct.unpack(">QII", stream.read(16))
            stream.read(length)
            if option in (6, 7):
                reply(option, 3, struct.pack(">HQH", 0, self.claim, 1 | 4))
                reply(option, 3, struct.pack(">HIII", 3, 512, 4096, 32 << 20))
                reply(option, 1)
                if option == 7:
                    return True
            elif option == 2:
                return False
            else:
                reply(option, 0x80000001)

    def answered(self, peer, stream):
        header = stream.read(28)
        if len(header) < 28:
            return False
        _, _, kind, handle, offset, count = struct.unpack(">IHHQQI", header)
        if kind == DISCONNECT:
            return False
        request = Request(kind, offset, count, stream.read(count) if kind == WRITE else b"")
        good = self.before is None or self.before(request) is not False
        data = self.done(request) if good else b""
        if self.rate and kind in (READ, WRITE):
            self.ready_at = max(time.monotonic(), self.ready_at) + count / self.rate
            time.sleep(max(0, self.ready_at - time.monotonic()))
        if good and self.after:
            self.after(request)
        peer.sendall(struct.pack(">IIQ", 0x67446698, 0 if good else EIO, handle) + data)
        return True

    def done(self, request):
        if request.kind == FLUSH:
            self.flushes += 1
        elif request.kind == WRITE:
            self.written += request.count
        elif request.kind == READ:
            self.read += request.count
        if self.records and request.kind in (WRITE, FLUSH):
            self.log.append(request)
        return b"".join(self.piece(request, *piece) for piece in self.pieces(request))

    def pieces(self, request):
        """The parts of a request that are next to each other on the medium, as offset there (None: nowhere), place in the data, and count."""
        at, end = request.offset, request.offset + request.count
        while at < end:
            if at >= self.size and self.beyond == "vanish":
                yield None, at - request.offset, end - at
                return
            count = min(end - at, self.size - at % self.size)
            yield at % self.size, at - request.offset, count
            at += count

    def piece(self, request, place, start, count):
        if request.kind == READ:
            return bytes(count) if place is None else os.pread(self.file, count, place)
        if request.kind == WRITE and place is not None:
            os.pwrite(self.file, request.data[start:start + count], place)
        return b""
