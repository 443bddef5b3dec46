"""Writes sources for the tests of prepare, and prepares them."""

from __future__ import annotations

import csv
import io
import struct
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from alexnet_native.data.prepare.preparation import Preparation, Summary, finished
from alexnet_native.data.prepare.settings import Request
from alexnet_native.data.shards.columns import STATISTICS
from alexnet_native.data.shards.index import Index
from data_files import pixels
from numpy.typing import NDArray
from PIL import Image


def picture(seed: int = 0, size: tuple[int, int] = (50, 40)) -> Image.Image:
    """Soft noise; size is (width, height) as in Pillow."""
    small = Image.fromarray(pixels((5, 6, 3), seed=seed))
    return small.resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def jpeg(seed: int = 0, size: tuple[int, int] = (50, 40)) -> bytes:
    return encoded(picture(seed, size), quality=90)


def png_chunk(body: bytes) -> bytes:
    """`body`: the name of the chunk and its content."""
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def png_header(width: int, height: int) -> bytes:
    """A PNG that declares a size and holds hardly any pixels."""
    header = png_chunk(b"IHDR" + struct.pack(">2I5B", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT" + zlib.compress(bytes(9)))


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def tar(members: dict[str, bytes], format: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def request(source: Path, folder: Path, *, size: int = 32, shard_bytes: int = 1 << 20) -> Request:
    return Request(source, folder, source.name, size, shard_bytes)


def prepare(source: Path, folder: Path, *, workers: int = 2, **options: Any) -> Summary:
    asked = request(source, folder, **options)
    return finished(asked) or Preparation(asked).run(workers)


def records(folder: Path, index: Index, split: str) -> NDArray[np.uint8]:
    files = [np.fromfile(folder / s.file, np.uint8) for s in index.splits[split].shards]
    return np.concatenate(files).reshape(-1, *index.record_shape)


def require_numpys_statistics(folder: Path, index: Index) -> None:
    """Mean image, covariance and its components, from the records alone, in float64."""
    images = records(folder, index, "train").astype(np.float64)
    with np.load(folder / STATISTICS) as archive:
        mean, covariance = archive["mean"], archive["covariance"]
        values, vectors = archive["eigenvalues"], archive["eigenvectors"]
    np.testing.assert_allclose(mean, images.mean(axis=0), rtol=1e-13)
    want = np.cov(images.reshape(-1, 3).T, bias=True)
    np.testing.assert_allclose(covariance, want, rtol=1e-10)
    np.testing.assert_allclose(vectors @ want, values[:, None] * vectors, atol=1e-8 * values.max())
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(3), atol=1e-12)
    assert (np.diff(values) >= 0).all()


def report(folder: Path) -> set[tuple[str, str, str]]:
    """File, outcome and kind of each row."""
    return {row[:3] for row in reasons(folder)}


def reasons(folder: Path) -> list[tuple[str, str, str, str]]:
    """File, outcome, kind and detail of each row."""
    with (folder / "report.csv").open(encoding="utf-8", newline="") as file:
        return [(r["name"], r["outcome"], r["kind"], r["detail"]) for r in csv.DictReader(file)]


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}
