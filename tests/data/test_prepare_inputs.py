"""Unusual and damaged inputs: converted or skipped, and reported with name and reason."""

from __future__ import annotations

import os
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alexnet_native.data import jpeg as jpeg_decoder
from alexnet_native.data.shards.columns import read_labels, read_record_names
from alexnet_native.errors import DataError
from PIL import Image
from prepared import (
    encoded,
    jpeg,
    picture,
    png_chunk,
    png_header,
    prepare,
    reasons,
    report,
    write,
)


def turned(orientation: int, kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(picture(), kind, exif=exif)


def animated(kind: str, **options: Any) -> bytes:
    more = [picture(i).quantize(16) for i in (1, 2)]
    return encoded(picture().quantize(16), kind, save_all=True, append_images=more, **options)


def deep_color() -> bytes:
    """A PNG of 16 bits in each of three channels, which Pillow reads but does not write."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 1 + 6 * 50), np.uint8)
    pixels[:, 0] = 0  # no filter
    head = png_chunk(b"IHDR" + struct.pack(">2I5B", 50, 40, 16, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + png_chunk(b"IDAT" + zlib.compress(pixels.tobytes()))


def broken_exif() -> bytes:
    """Its directory of tags ends in the middle; the pixels are sound."""
    block = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01"
    data = jpeg(size=(20, 30))
    return data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:]


def without_segment(data: bytes, marker: bytes) -> bytes:
    start = data.index(marker)
    return data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]


def with_size(data: bytes, width: int, height: int) -> bytes:
    """A JPEG that declares another size than it has."""
    start = data.index(b"\xff\xc0") + 5
    return data[:start] + struct.pack(">2H", height, width) + data[start + 4 :]


NOISY = Image.effect_noise((80, 80), 90).convert("RGB")
NOISE = encoded(NOISY, quality=95)
STEPS = encoded(NOISY, quality=95, progressive=True)
CORRUPT = NOISE[: len(NOISE) // 2] + b"\xff\xf9" * 20 + NOISE[len(NOISE) // 2 + 40 :]
TABLE = NOISE.index(b"\xff\xc4") + 5  # the lengths of the first Huffman table
PNG = encoded(picture(), "PNG")
PIXELS = PNG.index(b"IDAT") + 20
GIF = animated("GIF")
DEEP = Image.fromarray(np.arange(2000, dtype=np.uint16).reshape(40, 50))
FLOATING = Image.fromarray(np.ones((40, 50), np.float32))

# Name, content, kind, reason.
CONVERTED: dict[str, tuple[bytes, str, str]] = {
    "grey.jpg": (encoded(picture().convert("L")), "grey", "one channel"),
    "grey.png": (encoded(picture().convert("L"), "PNG"), "grey", "mode L"),
    "bits.png": (encoded(picture().convert("1"), "PNG"), "grey", "mode 1"),
    "cmyk.jpg": (encoded(picture().convert("CMYK")), "CMYK", "four inks"),
    "cmyk without adobe.jpg": (
        without_segment(encoded(picture().convert("CMYK")), b"\xff\xee"), "CMYK", "four inks",
    ),
    "lab.tif": (encoded(picture().convert("LAB"), "TIFF"), "color space", "mode LAB"),
    **{f"turned {i}.jpg": (turned(i), "rotated", f"EXIF orientation {i}") for i in range(2, 9)},
    "turned.png": (turned(6, "PNG"), "rotated", "EXIF orientation 6"),
    "turned.tif": (turned(6, "TIFF"), "rotated", "EXIF orientation 6"),
    "png named.jpg": (PNG, "extension", "the file is a PNG"),
    "jpeg named.png": (jpeg(), "extension", "the file is a JPEG"),
    "no extension": (jpeg(), "extension", "the file is a JPEG"),
    "palette.png": (encoded(picture().quantize(16), "PNG"), "palette", "mode P"),
    "transparent.png": (encoded(picture().convert("RGBA"), "PNG"), "transparent", "laid on white"),
    "deep.png": (encoded(DEEP, "PNG"), "16-bit", "grey, reduced to 8 bits"),
    "deep color.png": (deep_color(), "16-bit", "reduced to 8 bits"),
    "animated.gif": (GIF, "animation", "the first picture is taken"),
    "animated.webp": (animated("WEBP"), "animation", "the first picture is taken"),
    "small.jpg": (jpeg(size=(20, 30)), "enlarged", "from 20 x 30"),
    "dot.png": (encoded(picture(size=(1, 1)), "PNG"), "enlarged", "from 1 x 1"),
    "line.png": (encoded(picture(size=(1, 5000)), "PNG"), "enlarged", "from 1 x 5000"),
    "line.jpg": (encoded(picture(size=(60000, 1))), "enlarged", "from 60000 x 1"),
    "broken exif.jpg": (broken_exif(), "enlarged", "from 20 x 30"),
    os.fsdecode(b"caf\xe9.gif"): (jpeg(), "extension", "the file is a JPEG"),
}  # fmt: skip
if jpeg_decoder.simplejpeg is not None:  # Pillow does not tell
    stray = NOISE[:-2] + bytes(7) + NOISE[-2:]
    CONVERTED["stray bytes.jpg"] = (stray, "stray bytes", "after the last one")
LEFT_OUT: dict[str, tuple[bytes, str, str]] = {
    "empty.jpg": (b"", "empty", "the file has no bytes"),
    "marker.jpg": (NOISE[:2], "damaged", "the header of this JPEG is incomplete"),
    "header.jpg": (NOISE[:30], "cut off", "Truncated"),
    "tables.jpg": (NOISE[:TABLE], "cut off", "Truncated"),
    "half.jpg": (NOISE[: len(NOISE) // 2], "cut off", "Premature end"),
    "no end.jpg": (NOISE[:-2], "cut off", "Premature end"),
    "progressive.jpg": (STEPS[: len(STEPS) // 3], "cut off", "Premature end"),
    "progressive end.jpg": (STEPS[:-2], "cut off", "Premature end"),
    "zero bytes.jpg": (bytes(5000), "no picture", "none of BMP, GIF, JPEG"),
    "zeros after the header.jpg": (NOISE[:700] + bytes(6000), "cut off", "Premature end"),
    "corrupt.jpg": (CORRUPT, "damaged", "Unsupported marker"),
    "huffman.jpg": (
        NOISE[:TABLE] + b"\xff" * 16 + NOISE[TABLE + 16 :], "damaged", "broken data stream",
    ),
    "no quantisation.jpg": (
        without_segment(NOISE, b"\xff\xdb"), "damaged", "Quantization table 0x00 was not defined",
    ),
    "no height.jpg": (with_size(NOISE, 80, 0), "damaged", "the header of this JPEG"),
    "bomb.jpg": (with_size(NOISE, 65500, 65500), "too large", "declares 65500 x 65500 pixels"),
    "bomb.png": (png_header(60000, 60000), "too large", "more than 178,956,970 pixels"),
    "half.png": (PNG[: len(PNG) // 2], "cut off", "truncated"),
    "checksum.png": (
        PNG[:PIXELS] + b"?" + PNG[PIXELS + 1 :], "damaged", "broken data stream",
    ),
    "half.gif": (GIF[: len(GIF) // 5], "cut off", "truncated"),
    "half.webp": (encoded(picture(), "WEBP")[:150], "damaged", "could not create decoder"),
    "half.tif": (encoded(picture(), "TIFF")[:3000], "cut off", "truncated"),
    "page.jpg": (b"<html>404</html>", "no picture", "none of BMP, GIF, JPEG"),
    "drawing.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "no picture", "none of BMP, GIF, JPEG"),
    "text.txt": (b"read me", "no picture", "none of BMP, GIF, JPEG"),
    "floating.tif": (encoded(FLOATING, "TIFF"), "damaged", "floating-point numbers"),
    ".hidden.jpg": (jpeg(), "hidden", "starts with a dot"),
}  # fmt: skip
NO_INPUT = {
    "train/odd/dangling.jpg": ("link", "a link to nothing"),
    "train/odd/circle.jpg": ("link", "a link to nothing"),
    "train/odd/linked": ("link", "a link to a folder"),
    "train/circle": ("link", "a link to nothing"),
    "train/odd/pipe.jpg": ("no file", "a pipe, a socket or a device"),
    "train/beside.jpg": ("no class", "beside the class folders"),
    "train/void/": ("empty class", "no files"),
    "val/unheard of/d.jpg": ("unknown class", "train has no such class"),
    "notes.txt": ("not used", "neither train/ nor val/ nor test/"),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    source = tmp_path_factory.mktemp("source")
    both = {**CONVERTED, **LEFT_OUT}
    write(source, {f"train/odd/{name}": content for name, (content, *_) in both.items()})
    write(source, {"train/good/a.jpg": jpeg(1), "train/good/folder.jpg/b.jpg": jpeg(2)})
    write(source, {"val/good/c.jpg": jpeg(3), "val/unheard of/d.jpg": jpeg(4)})
    write(source, {"train/beside.jpg": jpeg(5), "notes.txt": b"x"})
    (source / "train" / "void").mkdir()
    (source / "train/odd/dangling.jpg").symlink_to("nowhere")
    (source / "train/odd/circle.jpg").symlink_to("circle.jpg")
    (source / "train/circle").symlink_to("circle")
    (source / "train/odd/linked").symlink_to(source / "val")
    os.mkfifo(source / "train/odd/pipe.jpg")
    folder = tmp_path_factory.mktemp("prepared")
    prepare(source, folder)
    return source, folder


def require_row(folder: Path, name: str, outcome: str, kind: str, reason: str) -> None:
    shown = os.fsencode(name).decode("utf-8", "backslashreplace").replace("\\x", "\\udc")
    rows = [row[1:] for row in reasons(folder) if row[0] == shown]
    assert any(row[:2] == (outcome, kind) and re.search(reason, row[2]) for row in rows), rows


@pytest.mark.parametrize("name", CONVERTED)
def test_an_unusual_picture_is_converted_and_reported(
    prepared: tuple[Path, Path], name: str
) -> None:
    require_row(prepared[1], f"train/odd/{name}", "converted", *CONVERTED[name][1:])


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_damaged_picture_is_skipped_and_reported(prepared: tuple[Path, Path], name: str) -> None:
    require_row(prepared[1], f"train/odd/{name}", "left out", *LEFT_OUT[name][1:])


@pytest.mark.parametrize("name", NO_INPUT)
def test_files_that_are_not_inputs_are_reported_too(prepared: tuple[Path, Path], name: str) -> None:
    require_row(prepared[1], name, "left out", *NO_INPUT[name])


def test_every_input_is_a_record_or_skipped(prepared: tuple[Path, Path]) -> None:
    source, folder = prepared
    summary = prepare(source, folder)
    names = read_record_names(folder, summary.index, "train")
    good = ["train/good/a.jpg", "train/good/folder.jpg/b.jpg"]
    assert names == good + sorted(f"train/odd/{name}" for name in CONVERTED)
    labels = read_labels(folder, summary.index, "train")
    assert summary.index.classes == ("good", "odd", "void")
    assert labels.tolist() == [0, 0] + [1] * len(CONVERTED)
    assert read_record_names(folder, summary.index, "val") == ["val/good/c.jpg"]
    left_out = {name for name, outcome, _ in report(folder) if outcome == "left out"}
    assert len(left_out) == len(LEFT_OUT) + len(NO_INPUT)


def test_unreadable_files_are_skipped_with_the_error_message_of_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write(tmp_path / "in", {f"{n}.jpg": jpeg() for n in ("a/1", "a/2", "a/b/3", "c/4")})
    real_open, real_scandir = Path.open, os.scandir

    def refuse(path: Path, secret: str) -> None:
        if path.name == secret:  # a super-user, who may run this test, can read it anyway
            raise PermissionError(13, os.strerror(13), str(path))

    def guarded_open(self: Path, *args: Any, **options: Any) -> Any:
        refuse(self, "1.jpg")
        return real_open(self, *args, **options)

    def guarded_scandir(path: Any) -> Any:
        refuse(Path(str(path)), "b")
        return real_scandir(path)

    monkeypatch.setattr(Path, "open", guarded_open)
    monkeypatch.setattr(os, "scandir", guarded_scandir)
    assert prepare(source, tmp_path / "out").index.splits["train"].images == 2
    assert set(reasons(tmp_path / "out")) == {
        ("a/1.jpg", "left out", "unreadable", "there is no permission to read it"),
        ("a/b", "left out", "unreadable", "Permission denied"),
    }


def test_a_source_with_only_damaged_files_is_refused_and_the_report_has_the_reasons(
    tmp_path: Path,
) -> None:
    source = write(tmp_path / "source", {"train/a/x.jpg": b"", "train/b/y.jpg": b"no"})
    with pytest.raises(DataError, match="none of the 2 training inputs"):
        prepare(source, tmp_path / "out")
    assert ("train/a/x.jpg", "left out", "empty") in report(tmp_path / "out")


def test_random_damage_never_ends_a_preparation(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    whole = [jpeg(), turned(6), PNG, GIF, encoded(picture(), "BMP"), encoded(picture(), "PPM"),
             turned(3, "TIFF"), animated("WEBP"), encoded(picture().convert("CMYK"))]  # fmt: skip
    files = {"a/0.jpg": jpeg(), "b/0.jpg": jpeg()}
    for number in range(400):
        data = bytearray(whole[number % len(whole)])
        for _ in range(rng.integers(1, 6)):
            reach = len(data) if rng.random() < 0.4 else min(len(data), 120)  # headers matter most
            data[rng.integers(reach)] = rng.integers(256)
        files[f"a/{number + 1}.jpg"] = bytes(data)
    index = prepare(write(tmp_path / "in", files), tmp_path / "out").index
    left_out = {name for name, outcome, _ in report(tmp_path / "out") if outcome == "left out"}
    assert index.splits["train"].images + len(left_out) == len(files)
    assert 50 < len(left_out) < 350
