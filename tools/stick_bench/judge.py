"""What a computer's firmware would make of a stick: its protective record and the two copies of its partition table (UEFI 2.10, section 5)."""
import struct
import zlib

SECTOR = 512


class Tables:
    """`read(offset, count)` gives the stick's bytes."""

    def __init__(self, read, size, sector=SECTOR):
        head = read(0, sector)
        self.starts = head[510:512] == b"\x55\xaa"
        self.primary = self.valid(read, sector, sector)
        self.backup = self.valid(read, size // sector * sector - sector, sector)

    @staticmethod
    def valid(read, offset, sector):
        header = read(offset, sector)
        if header[:8] != b"EFI PART":
            return False
        length, checksum = struct.unpack_from("<II", header, 12)
        if not 92 <= length <= sector or zlib.crc32(header[:16] + bytes(4) + header[20:length]) != checksum:
            return False
        if struct.unpack_from("<Q", header, 24)[0] * sector != offset:
            return False
        place, count, width, entries = struct.unpack_from("<QIII", header, 72)
        return count * width <= 1 << 20 and zlib.crc32(read(place * sector, count * width)) == entries

    @property
    def is_whole(self):
        return self.starts and self.primary and self.backup

    @property
    def is_no_stick(self):
        """Neither BIOS nor UEFI finds anything to start."""
        return not (self.starts or self.primary or self.backup)

    def __str__(self):
        return f"boot signature {self.starts}, first table {self.primary}, second table {self.backup}"


class Replay:
    """A medium as it was, on which recorded writes are done again."""

    def __init__(self, contents):
        self.bytes = bytearray(contents)

    def torn(self, request):
        """Does a write a sector at a time where it matters, and yields how many bytes of it are done each time the ends may have changed."""
        ends = request.offset < 1 << 20 or request.offset + request.count > len(self.bytes) - (1 << 20)
        step = SECTOR if ends and request.count <= 1 << 20 else request.count
        for done in range(0, request.count, step):
            self.bytes[request.offset + done:request.offset + done + step] = request.data[done:done + step]
            if ends:
                yield min(done + step, request.count)

    def tables(self):
        return Tables(lambda offset, count: bytes(self.bytes[offset:offset + count]), len(self.bytes))
