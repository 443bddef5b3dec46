from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from alexnet_native.data import jpeg as jpeg_decoder
from alexnet_native.data.decode import Damaged, decode
from alexnet_native.data.images import read_image
from alexnet_native.errors import DataError
from data_files import pixels, quarters
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

SHAPE = (64, 64, 3)
CORNERS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255,) * 3}


def corners(image: NDArray[np.uint8]) -> list[str]:
    """The colors at top left, top right, bottom left, bottom right."""
    height, width, _ = image.shape
    places = [(y, x) for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    names = []
    for y, x in places:
        near = [n for n, c in CORNERS.items() if np.abs(image[y, x] - np.array(c)).max() < 40]
        assert len(near) == 1, image[y, x]
        names += near
    return names


def saved(tmp_path: Path, image: Image.Image, name: str, **options: object) -> Path:
    file = tmp_path / name
    image.save(file, **options)  # type: ignore[arg-type]
    return file


def test_a_png_of_the_right_size_keeps_its_pixels(tmp_path: Path) -> None:
    array = pixels((20, 30, 3))
    got = read_image(saved(tmp_path, Image.fromarray(array), "a.png"), (20, 30, 3))
    assert got.dtype == np.uint8
    np.testing.assert_array_equal(got, array)


def test_a_jpeg_gives_the_pixels_that_pillow_gives(tmp_path: Path) -> None:
    smooth = np.asarray(quarters().resize((80, 60), Image.Resampling.BICUBIC))
    file = saved(tmp_path, Image.fromarray(smooth), "a.jpg", quality=90)
    got = read_image(file, (60, 80, 3))
    want = np.asarray(Image.open(file).convert("RGB"))
    assert np.abs(got.astype(int) - want).max() <= 1


@pytest.mark.parametrize(("width", "height"), [(200, 100), (100, 200)])
def test_the_shorter_side_is_scaled_and_the_centre_taken(
    tmp_path: Path, width: int, height: int
) -> None:
    # A ramp along the longer side: the central half of it must remain.
    ramp = np.linspace(0, 255, max(width, height))
    plane = np.tile(ramp, (100, 1)) if width > height else np.tile(ramp[:, None], (1, 100))
    image = Image.fromarray(np.repeat(plane[..., None], 3, axis=2).astype(np.uint8))
    got = read_image(saved(tmp_path, image, "ramp.png"), (50, 50, 3)).astype(float)
    profile = got[25, :, 0] if width > height else got[:, 25, 0]
    want = 255 * (0.25 + (np.arange(50) + 0.5) / 100)
    np.testing.assert_allclose(profile, want, atol=2)


def test_small_pictures_are_enlarged(tmp_path: Path) -> None:
    got = read_image(saved(tmp_path, quarters(8, 8), "tiny.png"), SHAPE)
    assert got.shape == SHAPE
    assert corners(got) == ["red", "green", "blue", "white"]


def test_reduction_is_antialiased(tmp_path: Path) -> None:
    # A fine checkerboard must become uniform grey, without a moire pattern.
    board = (np.indices((301, 301)).sum(axis=0) % 2 * 255).astype(np.uint8)
    got = read_image(saved(tmp_path, Image.fromarray(board), "fine.png"), (64, 64, 3))
    assert np.abs(got.astype(int) - 128).max() < 16


def test_large_jpegs_decoded_at_a_fraction_look_the_same(tmp_path: Path) -> None:
    soft = quarters(40, 40).resize((1200, 1000), Image.Resampling.BICUBIC)
    small = read_image(saved(tmp_path, soft, "big.jpg", quality=95), SHAPE)
    exact = read_image(saved(tmp_path, soft, "big.png"), SHAPE)
    assert np.abs(small.astype(int) - exact).max() <= 6


# Exif orientation -> how the stored picture must be turned, seen as its corners afterwards.
@pytest.mark.parametrize(
    ("orientation", "want"),
    [
        (1, ["red", "green", "blue", "white"]),
        (2, ["green", "red", "white", "blue"]),  # mirrored left and right
        (3, ["white", "blue", "green", "red"]),  # upside down
        (4, ["blue", "white", "red", "green"]),
        (5, ["red", "blue", "green", "white"]),
        (6, ["blue", "red", "white", "green"]),  # camera held clockwise: turn clockwise
        (7, ["white", "green", "blue", "red"]),
        (8, ["green", "white", "red", "blue"]),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_exif_rotation_is_applied(
    tmp_path: Path, kind: str, orientation: int, want: list[str]
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = saved(tmp_path, quarters(), f"turned.{kind.lower()}", format=kind, exif=exif)
    assert corners(read_image(file, SHAPE)) == want


@pytest.mark.parametrize("name", ["cmyk.jpg", "cmyk.tif", "palette.png", "palette.gif", "rgb.bmp"])
def test_other_color_models_become_rgb(tmp_path: Path, name: str) -> None:
    image = quarters()
    if name.startswith("cmyk"):
        image = image.convert("CMYK")
    elif name.startswith("palette"):
        image = image.quantize(8)
    got = read_image(saved(tmp_path, image, name), SHAPE)
    assert corners(got) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize("name", ["grey.jpg", "grey.png"])
def test_grey_pictures_become_rgb_with_equal_channels(tmp_path: Path, name: str) -> None:
    ramp = np.tile(np.arange(0, 256, 4, dtype=np.uint8), (64, 1))
    got = read_image(saved(tmp_path, Image.fromarray(ramp), name), SHAPE)
    assert np.ptp(got.astype(int), axis=2).max() == 0
    assert np.abs(got[..., 0].astype(int) - ramp).max() <= 3


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_16_bit_pictures_are_reduced_to_8(tmp_path: Path, name: str) -> None:
    ramp = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (64, 1))
    got = read_image(saved(tmp_path, Image.fromarray(ramp), name), SHAPE)
    np.testing.assert_array_equal(got[..., 1], np.rint(ramp / 257.0))


def test_a_16_bit_color_png_is_reduced_to_8(tmp_path: Path) -> None:
    # Pillow cannot write one; the format is simple enough to do so here.
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    row = b"\0" + struct.pack(">3H", 0xFFFF, 0x8000, 0x0101) * 4
    file = tmp_path / "deep.png"
    file.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">2I5B", 4, 4, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * 4))
        + chunk(b"IEND", b"")
    )
    assert read_image(file, (4, 4, 3))[2, 2].tolist() == [255, 128, 1]


@pytest.mark.parametrize("kind", ["RGBA", "LA", "palette"])
def test_transparent_pixels_become_white(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "half.png"
    if kind == "palette":
        image = Image.fromarray((np.arange(64) // 32).astype(np.uint8)[None].repeat(64, axis=0))
        image.putpalette([5, 5, 5, 90, 90, 90])
        image.save(file, transparency=0)
    else:
        image = Image.new("RGBA", (64, 64), (90, 90, 90, 255))
        image.paste((5, 5, 5, 0), (0, 0, 32, 64))
        image.convert(kind).save(file)
    got = read_image(file, SHAPE)
    assert (got[:, :32] == 255).all()
    assert (got[:, 32:] == 90).all()


def test_a_picture_can_be_read_as_grey(tmp_path: Path) -> None:
    got = read_image(saved(tmp_path, quarters(), "a.png"), (32, 32, 1))
    assert got.shape == (32, 32, 1)
    assert np.abs(got[8, 8, 0] - 76) <= 1  # ITU-R 601 luma of red: 0.299 * 255


def test_the_format_is_found_from_the_content_and_not_the_extension(tmp_path: Path) -> None:
    file = saved(tmp_path, quarters(), "really.png")
    assert corners(read_image(file.rename(tmp_path / "fake.jpg"), SHAPE))[0] == "red"


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels((64, 64, 3))).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def png() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels((64, 64, 3))).save(buffer, "PNG")
    return buffer.getvalue()


def corrupted(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + b"\xff\xf9" * 20 + data[middle + 40 :]


@pytest.mark.parametrize(
    "content",
    [
        jpeg()[: len(jpeg()) // 2],
        jpeg()[:-2],
        jpeg()[:30],
        jpeg()[:3],
        corrupted(jpeg()),
        png()[: len(png()) // 2],
        corrupted(png()),
        b"",
        b"<html>not found</html>",
    ],
    ids=[
        "half a JPEG",
        "JPEG without its end",
        "JPEG header",
        "three bytes",
        "corrupt JPEG",
        "half a PNG",
        "corrupt PNG",
        "empty",
        "text",
    ],
)
def test_a_damaged_picture_is_named_in_one_message(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "broken picture.jpg"
    file.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_image(file, SHAPE)
    text = str(caught.value)
    assert text.startswith(f"{file} is damaged or not an image")
    assert "\n" not in text


def test_bytes_after_the_last_pixel_are_ignored(tmp_path: Path) -> None:
    data = jpeg()
    (tmp_path / "whole.jpg").write_bytes(data)
    (tmp_path / "padded.jpg").write_bytes(data[:-2] + b"\0\0\0\0" + data[-2:])
    whole, padded = (read_image(tmp_path / f"{n}.jpg", SHAPE) for n in ("whole", "padded"))
    np.testing.assert_array_equal(whole, padded)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.jpg cannot be read: No such file"):
        read_image(tmp_path / "nothing.jpg", SHAPE)


@pytest.mark.parametrize("kind", ["profile", "text", "compressed text", "international text"])
def test_a_large_profile_or_text_in_a_png_does_no_harm(tmp_path: Path, kind: str) -> None:
    image = Image.fromarray(pixels((20, 30, 3)))
    texts = PngInfo()
    if kind == "international text":
        texts.add_itxt("Comment", "x" * 2_000_000, zip=True)
    elif kind != "profile":
        texts.add_text("Comment", "x" * 70_000_000, zip=kind == "compressed text")
    exif = Image.Exif()
    exif[0x0112] = 3
    options = {"icc_profile": bytes(2_000_000)} if kind == "profile" else {"pnginfo": texts}
    file = saved(tmp_path, image, "large.png", exif=exif, **options)
    picture = decode(file.read_bytes(), 20)
    np.testing.assert_array_equal(picture.pixels, pixels((20, 30, 3))[::-1, ::-1])
    assert [note for note, _ in picture.conversions] == ["rotated", "metadata"]


def test_a_damaged_png_with_a_large_profile_is_still_damaged(tmp_path: Path) -> None:
    image = Image.fromarray(pixels((20, 30, 3)))
    file = saved(tmp_path, image, "large.png", icc_profile=bytes(2_000_000))
    data = file.read_bytes()
    for length in (len(data) - 300, data.index(b"iCCP") + 20, data.index(b"IDAT") + 1):
        file.write_bytes(data[:length])
        with pytest.raises(DataError, match=r"large\.png is damaged"):
            read_image(file, SHAPE)


@pytest.mark.parametrize("name", ["large.png", "large.tif", "large.gif", "large.bmp"])
def test_a_large_image_below_the_limit_is_read_without_a_warning(tmp_path: Path, name: str) -> None:
    file = saved(tmp_path, Image.new("1", (9500, 9500), 1), name)  # Pillow warns from 89 million on
    assert read_image(file, SHAPE).min() == 255


def test_bytes_before_a_restart_marker_belong_to_no_pixel() -> None:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels((64, 64, 3)))
    image.save(buffer, "JPEG", quality=90, restart_marker_blocks=1)
    data = buffer.getvalue()
    want = decode(data, 64)
    at = data.index(b"\xff\xd1", data.index(b"\xff\xda"))
    stray = data[:at] + bytes(20) + data[at:]
    got = decode(stray, 64)
    np.testing.assert_array_equal(got.pixels, want.pixels)
    if jpeg_decoder.simplejpeg is not None:  # Pillow does not report them
        assert got.conversions == (
            ("stray bytes", "bytes that belong to no pixel, before a restart marker"),
        )
    for cut in (stray[:-2], stray[: at + 200]):
        with pytest.raises(Damaged, match="Premature end"):
            decode(cut, 64)


@pytest.mark.parametrize("channels", [2, 4])
def test_image_files_have_one_or_three_channels(tmp_path: Path, channels: int) -> None:
    file = saved(tmp_path, quarters(8, 8), "a.png")
    with pytest.raises(DataError, match=f"images of {channels} channels"):
        read_image(file, (8, 8, channels))
