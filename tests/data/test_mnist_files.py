from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from alexnet_native.data import open_data
from alexnet_native.errors import DataError
from data_files import idx, pixels, write_mnist


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("test", ["t10k", "t3k"])
def test_idx_files_become_images_with_one_channel(tmp_path: Path, test: str, zipped: bool) -> None:
    arrays = write_mnist(tmp_path, test=test, zipped=zipped)
    data = open_data(tmp_path)
    assert data.val is not None
    assert data.classes == tuple("0123456789")
    assert data.train.image_shape == (28, 28, 1)
    images = data.train.gather(np.array([4, 0], np.int64))
    np.testing.assert_array_equal(images[..., 0], arrays["train-images-idx3-ubyte"][[4, 0]])
    assert data.train.labels.tolist() == [3, 0, 9, 1, 4]
    assert data.val.labels.tolist() == [7, 2, 2]
    tests = data.val.gather(np.arange(3, dtype=np.int64))
    np.testing.assert_array_equal(tests[..., 0], arrays[f"{test}-images-idx3-ubyte"])


def test_other_image_sizes_and_a_missing_test_split_are_accepted(tmp_path: Path) -> None:
    write_mnist(tmp_path, size=(7, 5))
    for name in ("images-idx3", "labels-idx1"):
        (tmp_path / f"t10k-{name}-ubyte").unlink()
    data = open_data(tmp_path)
    assert data.val is None
    assert data.train.image_shape == (7, 5, 1)


IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (IMAGES, idx(pixels((5, 28, 28)))[:-1], [IMAGES, "record 4"]),
        (IMAGES, idx(pixels((5, 28, 28)))[: 16 + 784], [IMAGES, "record 1"]),
        (IMAGES, idx(pixels((5, 28, 28))) + b"x", [IMAGES, "1 bytes after"]),
        (IMAGES, b"\0\0\x08", [IMAGES, "header"]),
        (IMAGES, idx(pixels((5, 28, 28)), magic=0x0D03), [IMAGES, "0x00000D03"]),
        (IMAGES, idx(pixels((5,))) + bytes(20), [IMAGES, "0x00000801"]),
        (IMAGES, idx(pixels((4, 28, 28))), [IMAGES, "4 images", LABELS, "5 labels"]),
        (IMAGES, struct.pack(">4I", 0x803, 5, 0, 28), [IMAGES, "0 x 28"]),
        (LABELS, idx(np.array([3, 0, 10, 1, 4], np.uint8)), [LABELS, "record 2", "label 10"]),
        (LABELS, None, [LABELS]),
    ],
)
def test_damage_is_reported_in_one_message_with_the_file(
    tmp_path: Path, name: str, content: bytes | None, words: list[str]
) -> None:
    write_mnist(tmp_path)
    if content is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        open_data(tmp_path)
    text = str(caught.value)
    assert "\n" not in text
    assert [word for word in words if word not in text] == [], text


@pytest.mark.parametrize("damage", ["cut", "noise", "flipped"])
def test_a_damaged_gzip_file_is_named(tmp_path: Path, damage: str) -> None:
    write_mnist(tmp_path, zipped=True)
    file = tmp_path / f"{IMAGES}.gz"
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 0xFF
    file.write_bytes({"cut": whole[:-20], "noise": b"no gzip", "flipped": bytes(flipped)}[damage])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz"):
        open_data(tmp_path)


def test_a_plain_file_is_preferred_to_its_zipped_copy(tmp_path: Path) -> None:
    arrays = write_mnist(tmp_path)
    (tmp_path / f"{LABELS}.gz").write_bytes(gzip.compress(b"rubbish"))
    assert open_data(tmp_path).train.labels.tolist() == arrays[LABELS].tolist()


def test_the_shared_digits_have_the_official_counts_and_first_labels(shared: Path) -> None:
    folder = shared / "data" / "mnist"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    data = open_data(folder)
    assert data.val is not None
    assert (len(data.train), len(data.val)) == (60_000, 3_000)
    # The well-known first digits of MNIST.
    assert data.train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert data.val.labels[:5].tolist() == [7, 2, 1, 0, 4]
