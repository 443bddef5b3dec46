"""Measures the loader's memory on a data set that is larger than the machine's memory.

    python benchmarks/data_memory.py --gib 64 --seconds 10

The records are sparse files, which take no space on the disk. The program prints the resident
memory of the process from /proc/self/status: RssAnon is allocated memory, RssFile the pages of
mapped files. The loader reads files and maps none, so it should need its ring of buffers only; the
page cache belongs to the system, which frees it when memory is needed. For comparison, the program
prints by how much a memory map of the same files grows with the same number of images.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from alexnet_native._core import Records, records_in_files
from alexnet_native.data.augment import Augmentation
from alexnet_native.data.loader import TrainLoader
from numpy.typing import NDArray

SHAPE = (256, 256, 3)
RECORD = 256 * 256 * 3
BATCH, PREFETCH, CROP = 128, 3, 224


def resident() -> dict[str, int]:
    """Bytes by kind."""
    lines = Path("/proc/self/status").read_text().splitlines()
    words = [line.split() for line in lines if line.startswith(("RssAnon", "RssFile", "VmRSS"))]
    return {word[0].rstrip(":"): 1024 * int(word[1]) for word in words}


class Sparse:
    """Records of zeros in sparse files of 384 MiB."""

    def __init__(self, folder: Path, gib: int) -> None:
        self.image_shape = SHAPE
        each = 2048
        count = gib * 2**30 // (RECORD * each) * each
        self.labels = np.zeros(count, np.int32)
        self.files = [str(folder / f"train-{n:05}.bin") for n in range(count // each)]
        for file in self.files:
            with Path(file).open("wb") as stream:
                stream.truncate(each * RECORD)
        self._each = each

    def __len__(self) -> int:
        return len(self.labels)

    def records(self) -> Records:
        return records_in_files(SHAPE, len(self), self.files, self._each)

    def gather(self, indices: NDArray[np.int64], out: NDArray[np.uint8] | None = None) -> Any:
        raise NotImplementedError

    def item_name(self, index: int) -> str:
        return str(index)

    def mapped(self, images: int) -> int:
        """Bytes that RssFile grows by when `images` records are read from maps in random order."""
        before = resident()["RssFile"]
        maps = [np.memmap(file, np.uint8, "r") for file in self.files]
        order = np.random.default_rng(0).permutation(len(self))[:images]
        for index in order.tolist():
            start = index % self._each * RECORD
            maps[index // self._each][start : start + RECORD].max()
        return resident()["RssFile"] - before


def measure(gib: int, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name:
        source = Sparse(Path(name), gib)
        before, most, images = resident(), resident(), 0
        with TrainLoader(
            source,
            batch_size=BATCH,
            augmentation=Augmentation(crop=(CROP, CROP), mean="none", color_std=0),
            statistics=None,
            seed=0,
            threads=len(os.sched_getaffinity(0)),
            prefetch=PREFETCH,
        ) as loader:
            start = time.monotonic()
            for batch in loader:
                images += len(batch.labels)
                now = resident()
                most = {kind: max(most[kind], now[kind]) for kind in now}
                if time.monotonic() - start > seconds:
                    break
            buffers = loader.buffers
        return {
            "benchmark": "data_memory",
            "set_bytes": len(source) * RECORD,
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
            "images": images,
            "read_bytes": images * RECORD,
            "buffers": buffers,
            "buffer_bytes": BATCH * CROP * CROP * 3 * 4,
            "before": before,
            "most": most,
            "mapped_file_bytes": source.mapped(min(images, 10_000)),
            "mapped_images": min(images, 10_000),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--gib", type=int, default=64, help="size of the data set")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    r = measure(args.gib, args.seconds)
    mib = 2**20
    print(
        f"set {r['set_bytes'] / mib:,.0f} MiB, memory of the machine {r['memory_bytes'] / mib:,.0f}"
    )
    print(f"read {r['images']:,} images, {r['read_bytes'] / mib:,.0f} MiB")
    print(f"ring: {r['buffers']} buffers of {r['buffer_bytes'] / mib:.1f} MiB")
    for kind in ("RssAnon", "RssFile"):
        before, most = r["before"][kind] / mib, r["most"][kind] / mib
        print(f"{kind}: {before:,.0f} MiB before, {most:,.0f} at most")
    print(
        f"a memory map: RssFile grows by {r['mapped_file_bytes'] / mib:,.0f} MiB in "
        f"{r['mapped_images']:,} images"
    )
    if args.json:
        args.json.write_text(json.dumps(r, indent=1) + "\n")


if __name__ == "__main__":
    main()
