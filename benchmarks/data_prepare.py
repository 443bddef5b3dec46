"""Measures `alexnet-native prepare` beside Pillow: JPEGs to records of 256 x 256 pixels.

    python benchmarks/data_prepare.py --images 600 --workers 2 --rounds 3 --json prepare.json

Both sides decode 500 x 375 JPEGs, scale them with antialiasing and crop the centre. Our side is all
of `alexnet-native prepare`: listing, checksums, statistics, shards on the disk. The other side is
Pillow in a pool of processes that write their pixels to one memory map. The sides take turns, and
each result is the median of the rounds. CPU time includes the children of the process.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from alexnet_native.data.prepare.preparation import Preparation
from alexnet_native.data.prepare.settings import Request
from PIL import Image

SIZE = 256
WIDTH, HEIGHT = 500, 375


def make_pictures(folder: Path, count: int) -> None:
    """JPEGs of about 60 KiB in two classes, drawn: soft areas, edges and some noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    for number in range(count):
        planes = []
        for _ in range(3):
            a, b, c, d = rng.uniform(0.005, 0.08, 4)
            soft = 60 * np.sin(a * x + b * y) + 40 * np.sign(np.sin(c * x - d * y))
            planes.append(128 + soft + rng.normal(0, 14, (HEIGHT, WIDTH)))
        image = np.clip(np.stack(planes, axis=2), 0, 255).astype(np.uint8)
        place = folder / "train" / "ab"[number % 2] / f"{number:05d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place, quality=85)


def pillow_one(job: tuple[str, str, int, int]) -> None:
    """Converts one picture in a worker of the pool."""
    file, target, index, count = job
    with Image.open(file) as opened:
        image = opened.convert("RGB")
    scale = SIZE / min(image.size)
    image = image.resize(
        (round(image.width * scale), round(image.height * scale)), Image.Resampling.BILINEAR
    )
    left, top = (image.width - SIZE) // 2, (image.height - SIZE) // 2
    pixels = np.memmap(target, np.uint8, "r+", shape=(count, SIZE, SIZE, 3))
    pixels[index] = np.asarray(image.crop((left, top, left + SIZE, top + SIZE)))


def run_pillow(source: Path, target: Path, workers: int) -> None:
    files = sorted(source.rglob("*.jpg"))
    target.mkdir()
    file = target / "pixels"
    with file.open("wb") as stream:
        stream.truncate(len(files) * SIZE * SIZE * 3)
    jobs = [(str(name), str(file), index, len(files)) for index, name in enumerate(files)]
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        pool.map(pillow_one, jobs, chunksize=16)
        pool.close()
        pool.join()


def run_ours(source: Path, target: Path, workers: int) -> None:
    Preparation(Request(source, target, "bench", SIZE, 384 * 1024**2)).run(workers)


SIDES: dict[str, Callable[[Path, Path, int], None]] = {"ours": run_ours, "pillow": run_pillow}


def cpu_seconds() -> float:
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(u.ru_utime + u.ru_stime for u in map(resource.getrusage, kinds))


def measure(images: int, workers: int, rounds: int) -> dict[str, Any]:
    """Measures both sides in turns; returns a row for each and their ratios."""
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        make_pictures(place / "in", images)
        seconds: dict[str, list[float]] = {side: [] for side in SIDES}
        cpu: dict[str, list[float]] = {side: [] for side in SIDES}
        for _ in range(rounds):
            for side, run in SIDES.items():
                start, cpu_start = time.perf_counter(), cpu_seconds()
                run(place / "in", place / "out", workers)
                seconds[side].append(time.perf_counter() - start)
                cpu[side].append(cpu_seconds() - cpu_start)
                shutil.rmtree(place / "out")
    rows = {
        side: {
            "images_per_second": images / statistics.median(seconds[side]),
            "cpu_ms_per_image": 1e3 * statistics.median(cpu[side]) / images,
            "spread": (max(seconds[side]) - min(seconds[side])) / statistics.median(seconds[side]),
        }
        for side in SIDES
    }
    return {
        "benchmark": "prepare",
        "images": images,
        "workers": workers,
        "rows": rows,
        "speed": rows["ours"]["images_per_second"] / rows["pillow"]["images_per_second"],
        "cpu": rows["pillow"]["cpu_ms_per_image"] / rows["ours"]["cpu_ms_per_image"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    result = measure(args.images, args.workers, args.rounds)
    for side, row in result["rows"].items():
        print(
            f"{side:8} {row['images_per_second']:7.0f} images/s  "
            f"{row['cpu_ms_per_image']:6.2f} ms CPU per image  spread {100 * row['spread']:.0f} %"
        )
    print(
        f"ours is {result['speed']:.2f} times as fast, with 1/{result['cpu']:.2f} of the CPU time"
    )
    if args.json:
        args.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
