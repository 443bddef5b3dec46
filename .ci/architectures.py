"""Fails unless a CUDA library contains code for exactly these architectures, in CMake's notation.

python .ci/architectures.py libalexnet_cuda.so 80-real 90-real 90-virtual

Reads the entries of nvcc's fat binaries in the file: kind 1 is PTX (virtual), 2 is a cubin (real).
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

HEADER = struct.Struct("<IHHQ")  # magic, version, header size, size of the data after it
ENTRY = struct.Struct("<HHIQ12xI")  # kind, version, header size, size of the data after it, sm
MAGIC = struct.pack("<I", 0xBA55ED50)
KINDS = {1: "virtual", 2: "real"}


def architectures(library: bytes) -> set[str]:
    found = set()
    start = library.find(MAGIC)
    while start >= 0:
        _, _, header, size = HEADER.unpack_from(library, start)
        at, end = start + header, start + header + size
        while at < end:
            kind, _, entry, payload, sm = ENTRY.unpack_from(library, at)
            found.add(f"{sm}-{KINDS[kind]}")
            at += entry + payload
        start = library.find(MAGIC, end)
    return found


def main() -> int:
    path, *wanted = sys.argv[1:]
    found = architectures(Path(path).read_bytes())
    sys.stdout.write(f"{path}: code for {' '.join(sorted(found)) or 'nothing'}\n")
    return 0 if found == set(wanted) else 1


if __name__ == "__main__":
    sys.exit(main())
