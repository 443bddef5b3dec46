"""Odd and damaged inputs: each converted or left out, and each reported by name."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from alexnet_native.data.shards.columns import read_labels, read_record_names
from alexnet_native.errors import DataError
from PIL import Image
from prepared import encoded, jpeg, picture, png_header, prepare, report, write


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(picture(), exif=exif)


def animated() -> bytes:
    more = [picture(i).quantize(16) for i in (1, 2)]
    return encoded(picture().quantize(16), "GIF", save_all=True, append_images=more)


def deep() -> bytes:
    return encoded(Image.fromarray(np.arange(2000, dtype=np.uint16).reshape(40, 50)), "PNG")


def floating() -> bytes:
    return encoded(Image.fromarray(np.ones((40, 50), np.float32)), "TIFF")


def broken_exif() -> bytes:
    """Its directory of tags ends in the middle; the pixels are sound."""
    block = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01"
    data = jpeg(size=(20, 30))
    return data[:2] + b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block + data[2:]


NOISE = encoded(Image.effect_noise((80, 80), 90).convert("RGB"), quality=95)
CORRUPT = NOISE[: len(NOISE) // 2] + b"\xff\xf9" * 20 + NOISE[len(NOISE) // 2 + 40 :]
PNG = encoded(picture(), "PNG")

CONVERTED = {
    "grey.jpg": (encoded(picture().convert("L")), "grey"),
    "grey.png": (encoded(picture().convert("L"), "PNG"), "grey"),
    "cmyk.jpg": (encoded(picture().convert("CMYK")), "CMYK"),
    "rotated.jpg": (rotated(), "rotated"),
    "png named.jpg": (PNG, "extension"),
    "no extension": (jpeg(), "extension"),
    "palette.png": (encoded(picture().quantize(16), "PNG"), "palette"),
    "transparent.png": (encoded(picture().convert("RGBA"), "PNG"), "transparent"),
    "deep.png": (deep(), "16-bit"),
    "animated.gif": (animated(), "animation"),
    "small.jpg": (jpeg(size=(20, 30)), "enlarged"),
    "broken exif.jpg": (broken_exif(), "enlarged"),
}
LEFT_OUT = {
    "empty.jpg": (b"", "empty"),
    "half.jpg": (NOISE[: len(NOISE) // 2], "cut off"),
    "no end.jpg": (NOISE[:-2], "cut off"),
    "corrupt.jpg": (CORRUPT, "damaged"),
    "half.png": (PNG[: len(PNG) // 2], "cut off"),
    "header.jpg": (NOISE[:30], "cut off"),
    "page.jpg": (b"<html>404</html>", "no picture"),
    "text.txt": (b"read me", "no picture"),
    "floating.tif": (floating(), "damaged"),
    "huge.png": (png_header(60000, 60000), "too large"),
    ".hidden.jpg": (jpeg(), "hidden"),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    source = tmp_path_factory.mktemp("source")
    both = {**CONVERTED, **LEFT_OUT}
    write(source, {f"train/odd/{name}": content for name, (content, _) in both.items()})
    write(source, {"train/good/a.jpg": jpeg(1), "train/good/deeper/b.jpg": jpeg(2)})
    write(source, {"val/good/c.jpg": jpeg(3), "val/unheard of/d.jpg": jpeg(4)})
    write(source, {"train/beside.jpg": jpeg(5), "notes.txt": b"x"})
    (source / "train" / "void").mkdir()
    (source / "train/odd/dangling.jpg").symlink_to("nowhere")
    (source / "train/odd/linked").symlink_to(source / "val")
    os.mkfifo(source / "train/odd/pipe.jpg")
    folder = tmp_path_factory.mktemp("prepared")
    prepare(source, folder)
    return source, folder


@pytest.mark.parametrize("name", CONVERTED)
def test_an_odd_picture_is_converted_and_reported(prepared: tuple[Path, Path], name: str) -> None:
    assert (f"train/odd/{name}", "converted", CONVERTED[name][1]) in report(prepared[1])


@pytest.mark.parametrize("name", LEFT_OUT)
def test_a_damaged_picture_is_left_out_and_reported(prepared: tuple[Path, Path], name: str) -> None:
    assert (f"train/odd/{name}", "left out", LEFT_OUT[name][1]) in report(prepared[1])


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("train/odd/dangling.jpg", "link"),
        ("train/odd/linked", "link"),
        ("train/odd/pipe.jpg", "no file"),
        ("train/beside.jpg", "no class"),
        ("train/void/", "empty class"),
        ("val/unheard of/d.jpg", "unknown class"),
        ("notes.txt", "not used"),
    ],
)
def test_what_is_no_input_is_reported_too(
    prepared: tuple[Path, Path], name: str, kind: str
) -> None:
    assert (name, "left out", kind) in report(prepared[1])


def test_every_input_is_a_record_or_left_out(prepared: tuple[Path, Path]) -> None:
    source, folder = prepared
    summary = prepare(source, folder)
    names = read_record_names(folder, summary.index, "train")
    good = ["train/good/a.jpg", "train/good/deeper/b.jpg"]
    assert names == good + sorted(f"train/odd/{name}" for name in CONVERTED)
    labels = read_labels(folder, summary.index, "train")
    assert summary.index.classes == ("good", "odd", "void")
    assert labels.tolist() == [0, 0] + [1] * len(CONVERTED)
    assert read_record_names(folder, summary.index, "val") == ["val/good/c.jpg"]
    assert summary.findings["left out", "cut off"] == 4


def test_nothing_but_damage_is_refused_and_the_report_says_why(tmp_path: Path) -> None:
    source = write(tmp_path / "source", {"train/a/x.jpg": b"", "train/b/y.jpg": b"no"})
    with pytest.raises(DataError, match="none of the 2 training inputs"):
        prepare(source, tmp_path / "out")
    assert ("train/a/x.jpg", "left out", "empty") in report(tmp_path / "out")
