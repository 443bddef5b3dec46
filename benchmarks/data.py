"""Measures the training loader beside PyTorch's DataLoader and beside a copy in memory.

    python benchmarks/data.py --images 4096 --workers 2 --rounds 3 --json data.json

All sides crop 224 x 224, mirror, subtract the mean image and add color noise, in batches of 128.
Our loader reads prepared shards and produces float32 images, or uint8 records and random draws for
a device that augments. PyTorch's side (torch_data.py) reads 500 x 375 JPEGs, JPEGs scaled to
256 x 256 beforehand, or a uint8 memory map; it has one worker for each of our threads, and the map
is also read without workers. The sides take turns, and each result is the median of the rounds. The
start of the workers and the first batches are not timed. Files are in the page cache. The bound is
a copy of large blocks on the same number of threads, with reads and writes counted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch_data
from alexnet_native._core import records_in_files
from alexnet_native.data import open_data
from alexnet_native.data.augment import Augmentation
from alexnet_native.data.loader import TrainLoader
from alexnet_native.data.prepare.preparation import Preparation
from alexnet_native.data.prepare.settings import Request
from alexnet_native.data.shards.source import ShardSource
from alexnet_native.data.statistics import Statistics
from data_prepare import make_pictures
from numpy.typing import NDArray
from PIL import Image

CROP, SIZE, BATCH = 224, 256, 128
READ = CROP * SIZE * 3  # bytes of a record that a crop needs: whole rows
WRITTEN = CROP * CROP * 3 * 4
JPEGS = 512  # number of different images; more would only take disk space
OURS, DEVICE = "ours", "ours, for a device"
MAPPED = ("torch memmap", "torch memmap, by batches", "torch memmap, in process")
DECODED = ("torch JPEG 500x375", "torch JPEG 256x256")


def prepared(place: Path, images: int) -> ShardSource:
    """Writes the JPEGs to jpeg/ and small/, and their records, repeated, to the file pixels."""
    make_pictures(place / "jpeg", JPEGS)
    Preparation(Request(place / "jpeg", place / "shards", "bench", SIZE, 1 << 40)).run(2)
    source = open_data(place / "shards").train
    assert isinstance(source, ShardSource)
    records = source.gather(np.arange(JPEGS, dtype=np.int64))
    (place / "small").mkdir()
    for number, record in enumerate(records):
        Image.fromarray(record).save(place / "small" / f"{number:04}.jpg", quality=90)
    with (place / "pixels").open("wb") as file:
        for first in range(0, images, JPEGS):
            file.write(records[: images - first].tobytes())
    return source


class Records:
    """A source of the records in one shard."""

    def __init__(self, file: Path, images: int) -> None:
        self.labels = (np.arange(images) % 2).astype(np.int32)
        self.image_shape = (SIZE, SIZE, 3)
        self.records = lambda: records_in_files(self.image_shape, images, [str(file)], images)

    def __len__(self) -> int:
        return len(self.labels)

    def gather(self, indices: NDArray[np.int64], out: NDArray[np.uint8] | None = None) -> Any:
        raise NotImplementedError

    def item_name(self, index: int) -> str:
        return str(index)


def rate(batches: Iterator[Any], seconds: float) -> float:
    """Images per second, after the first eight batches."""
    for _ in range(8):
        next(batches)
    start, images = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        next(batches)
        images += BATCH
    return images / (time.perf_counter() - start)


def copy_rate(threads: int, seconds: float = 1.0) -> float:
    """Bytes read and written per second by a copy of large blocks."""
    blocks = [(np.ones(1 << 27, np.uint8), np.ones(1 << 27, np.uint8)) for _ in range(threads)]
    moved = [0] * threads
    end = time.perf_counter() + seconds

    def copy(thread: int) -> None:
        source, target = blocks[thread]
        while time.perf_counter() < end:
            np.copyto(target, source)  # without the GIL
            moved[thread] += 2 * source.nbytes

    start = time.perf_counter()
    workers = [threading.Thread(target=copy, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(moved) / (time.perf_counter() - start)


def sides(
    place: Path, known: Statistics, images: int, workers: int
) -> dict[str, Callable[..., float]]:
    """For each side a function that runs for some seconds and returns images per second."""
    axes = (known.pca_std[:, np.newaxis] * known.pca_vectors).astype(np.float32)

    def ours(seconds: float, on_device: bool) -> float:
        with TrainLoader(
            Records(place / "pixels", images),
            batch_size=BATCH,
            augmentation=Augmentation(crop=(CROP, CROP)),
            statistics=known,
            seed=0,
            threads=workers,
            on_device=on_device,
        ) as loader:
            return rate((b for b in loader if len(b.labels) == BATCH), seconds)

    def torch(seconds: float, dataset: Any, workers: int = workers) -> float:
        batches = torch_data.batches(dataset, BATCH, workers)
        try:
            return rate(batches, seconds)
        finally:
            batches.close()  # type: ignore[attr-defined]

    mapped = torch_data.Mapped(place / "pixels", known.mean, axes)
    by_batches = torch_data.MappedBatches(place / "pixels", known.mean, axes)
    jpegs = [torch_data.Jpegs(place / name, known.mean, axes) for name in ("jpeg", "small")]
    return {
        OURS: lambda seconds: ours(seconds, False),
        DEVICE: lambda seconds: ours(seconds, True),
        MAPPED[0]: lambda seconds: torch(seconds, mapped),
        MAPPED[1]: lambda seconds: torch(seconds, by_batches),
        MAPPED[2]: lambda seconds: torch(seconds, by_batches, 0),
        DECODED[0]: lambda seconds: torch(seconds, jpegs[0]),
        DECODED[1]: lambda seconds: torch(seconds, jpegs[1]),
    }


def measure(images: int, workers: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Measures all sides and the copy, in turns."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        known = prepared(place, images).statistics()
        run = sides(place, known, images, workers)
        found: dict[str, list[float]] = {side: [] for side in run}
        copies = []
        for _ in range(rounds):
            copies.append(copy_rate(workers))
            for side, one in run.items():
                found[side].append(one(seconds))
    rows = {
        side: {
            "images_per_second": statistics.median(values),
            "spread": (max(values) - min(values)) / statistics.median(values),
        }
        for side, values in found.items()
    }
    speed = {side: row["images_per_second"] for side, row in rows.items()}
    copied = statistics.median(copies)
    return {
        "benchmark": "data",
        "images": images,
        "workers": workers,
        "rows": rows,
        "copy_bytes_per_second": copied,
        "share_of_the_copy": speed[OURS] * (READ + WRITTEN) / copied,
        "times_the_jpegs": speed[OURS] / speed[DECODED[0]],
        "times_the_small_jpegs": speed[OURS] / speed[DECODED[1]],
        "times_the_memmap": speed[OURS] / max(speed[side] for side in MAPPED),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=4096)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one round of one side")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    result = measure(args.images, args.workers, args.rounds, args.seconds)
    for side, row in result["rows"].items():
        speed, spread = row["images_per_second"], 100 * row["spread"]
        print(f"{side:26} {speed:8.0f} images/s  spread {spread:.0f} %")
    print(
        f"a copy moves {result['copy_bytes_per_second'] / 1e9:.1f} GB/s; ours moves "
        f"{READ + WRITTEN:,} bytes an image, {result['share_of_the_copy']:.2f} of that rate"
    )
    print(
        f"ours is {result['times_the_jpegs']:.1f} times the JPEGs, "
        f"{result['times_the_small_jpegs']:.1f} times those of 256 x 256, "
        f"{result['times_the_memmap']:.1f} times the better memory map"
    )
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
