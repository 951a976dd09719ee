# SPDX-License-Identifier: Apache-2.0
"""What a recording holds, as docs/PROTOCOL.md says: for tests of single records."""
import glob
import os
import struct

CHUNK_HEADER, CHUNK_ARENA, CHUNK_RECORDS = 1, 2, 3
RECORD_CALL, RECORD_NATIVE = 2, 8


def of_another(content, n):
    """The recording as if of another process, which began n microseconds later."""
    content, at = bytearray(content), 16
    while at + 16 <= len(content):
        kind, size, _ = struct.unpack_from("<IIQ", content, at)
        if kind == CHUNK_HEADER:
            started_ns, = struct.unpack_from("<Q", content, at + 16 + 48)
            struct.pack_into("<Q", content, at + 16 + 48, started_ns + 1000 * n)
        at += 16 + (size + 7 & ~7)
    return bytes(content)


class Recording:
    """Records as (type, bytes), in order."""

    def __init__(self, path):
        with open(path, "rb") as file:
            content = file.read()
        self.arena, self.records, at = bytearray(1 << 20), [], 16
        self.n_arena_bytes = self.n_arena_used = 0
        while at + 16 <= len(content):
            kind, size, position = struct.unpack_from("<IIQ", content, at)
            payload = content[at + 16:at + 16 + size]
            at += 16 + (size + 7 & ~7)
            if kind == CHUNK_ARENA:
                self.arena[position:position + size] = payload
                self.n_arena_bytes += size
                self.n_arena_used = max(self.n_arena_used, position + size)
            elif kind == CHUNK_RECORDS:
                self._take(payload)

    def _take(self, payload):
        at = 0
        while at < len(payload):
            size, kind = struct.unpack_from("<IH", payload, at)
            self.records.append((kind, payload[at:at + size]))
            at += size

    def string(self, offset):
        if not offset:
            return ""
        length, = struct.unpack_from("<H", self.arena, offset)
        return self.arena[offset + 2:offset + 2 + length].decode()

    def calls(self):
        """(symbol, native) of each call; native is (frames, end, entries), frames (module, offset)."""
        natives = {}
        for kind, record in self.records:
            # Slot and start say what belongs together.
            if kind == RECORD_NATIVE:
                low, high, n, end = struct.unpack_from("<QQII", record, 32)
                frames = [struct.unpack_from("<IIQ", record, 56 + 16 * i) for i in range(n)]
                natives[record[16:20] + record[24:32]] = (
                    [(self.string(m), offset) for m, _, offset in frames], end, low | high << 64)
            elif kind == RECORD_CALL:
                symbol = self.string(struct.unpack_from("<I", record, 20)[0])
                yield symbol, natives.pop(record[16:20] + record[40:48], None)
        assert not natives, "native frames without their call"


def recordings(folder):
    return [Recording(path) for path in sorted(glob.glob(os.path.join(folder, "*.lhr")))]
