# SPDX-License-Identifier: Apache-2.0
"""The wall clock of an agent under test, which jumps when told (test builds only: LINEAGED_CLOCK)."""
import mmap
import struct

DAY = 86_400_000
YEAR = 365 * DAY


class Clock:
    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(8))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 8)

    def environment(self):
        return {"LINEAGED_CLOCK": str(self.path)}

    def shift(self, ms):
        """From now on it is off by so many ms."""
        self.map[:8] = struct.pack("=q", ms)
