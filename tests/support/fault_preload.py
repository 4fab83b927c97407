# SPDX-License-Identifier: Apache-2.0
"""Writes or syncs of a whole program fail on demand: the other side of support/c/fault_preload.c."""
import errno
import mmap
import struct

import procs

WRITE, SYNC = 1, 2
HEAD = struct.Struct("=iiqqqq256s")
FOR_EVER = 1 << 62


class Disk:
    """A disk that can be told to fail: which calls, on which files, from the n-th on."""

    def __init__(self, path):
        self.path = path
        path.write_bytes(bytes(4096))
        with open(path, "r+b") as file:
            self.map = mmap.mmap(file.fileno(), 4096)

    def environment(self):
        """For the program; FileNotFoundError where the build has no such library (sanitizers)."""
        found = sorted(procs.build_dir().rglob("libfault_preload.so"))
        if not found:
            raise FileNotFoundError("libfault_preload.so")
        return {"LD_PRELOAD": str(found[0]), "LINEAGED_FAULT": str(self.path)}

    def fail(self, kind, match, first, last=None, error=None):
        """From now on count calls of this kind on files with `match` in their path; the `first` one fails, or all
        up to `last`. A write finds no space, a sync an I/O error."""
        error = error or (errno.ENOSPC if kind == WRITE else errno.EIO)
        self.map[:HEAD.size] = bytes(HEAD.size)
        self.map[:HEAD.size] = HEAD.pack(kind, error, first, first if last is None else last, 0, 0,
                                         str(match).encode())

    def heal(self):
        """No further failures; the counts stay."""
        self.map[8:24] = bytes(16)

    def seen(self):
        return HEAD.unpack_from(self.map)[4]

    def struck(self):
        return HEAD.unpack_from(self.map)[5]
