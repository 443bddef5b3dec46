"""Writes small data sets for the tests of this folder, byte by byte."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Bytes = NDArray[np.uint8]


def pixels(shape: tuple[int, ...], seed: int = 0) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def write_cifar10(folder: Path, records: int = 3) -> tuple[Bytes, Bytes]:
    """All six files; returns images (6 * records, 32, 32, 3) and labels in file order."""
    folder.mkdir(parents=True, exist_ok=True)
    images = pixels((6 * records, 32, 32, 3), seed=1)
    labels = (np.arange(6 * records) * 7 % 10).astype(np.uint8)
    for number in range(6):
        name = f"data_batch_{number + 1}.bin" if number < 5 else "test_batch.bin"
        with (folder / name).open("wb") as file:
            for i in range(number * records, (number + 1) * records):
                file.write(bytes([labels[i]]))
                for channel in range(3):  # red plane, green plane, blue plane, row by row
                    file.write(images[i, :, :, channel].tobytes())
    return images, labels


def idx(array: Bytes, magic: int | None = None) -> bytes:
    """The bytes of an IDX file."""
    head = struct.pack(">I", 0x0800 + array.ndim if magic is None else magic)
    return head + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_mnist(
    folder: Path, *, test: str = "t10k", zipped: bool = False, size: tuple[int, int] = (28, 28)
) -> dict[str, Bytes]:
    """Five training and three test images; returns the arrays by file name without .gz."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {
        "train-images-idx3-ubyte": pixels((5, *size), seed=2),
        "train-labels-idx1-ubyte": np.array([3, 0, 9, 1, 4], np.uint8),
        f"{test}-images-idx3-ubyte": pixels((3, *size), seed=3),
        f"{test}-labels-idx1-ubyte": np.array([7, 2, 2], np.uint8),
    }
    for name, array in arrays.items():
        if zipped:
            (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / name).write_bytes(idx(array))
    return arrays


def flat_picture(color: tuple[int, int, int], size: tuple[int, int] = (40, 30)) -> Image.Image:
    """An image of one color; size is (width, height) as in Pillow."""
    return Image.new("RGB", size, color)


def quarters(width: int = 64, height: int = 64) -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right."""
    array = np.zeros((height, width, 3), np.uint8)
    array[: height // 2, : width // 2] = (255, 0, 0)
    array[: height // 2, width // 2 :] = (0, 255, 0)
    array[height // 2 :, : width // 2] = (0, 0, 255)
    array[height // 2 :, width // 2 :] = (255, 255, 255)
    return Image.fromarray(array)


def write_pictures(folder: Path) -> None:
    """Two classes: 2 + 1 training and 1 + 1 validation pictures, in several formats and cases."""
    for name, color in (
        ("train/red/b.JPG", (200, 10, 10)),
        ("train/red/a.png", (210, 10, 10)),
        ("train/blue/one.WebP", (10, 10, 220)),
        ("val/red/x.jpeg", (190, 10, 10)),
        ("val/blue/y.PNG", (10, 10, 190)),
    ):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        kind = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
        options = {"lossless": True} if file.suffix.lower() == ".webp" else {}
        flat_picture(color).save(file, kind[file.suffix.lower()], **options)
