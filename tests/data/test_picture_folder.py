from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny
from alexnet_native.data import open_data
from alexnet_native.data.folder import read_folder
from alexnet_native.errors import DataError
from data_files import flat_picture, write_pictures


def indices(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def test_classes_and_files_are_sorted_and_decoded(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    data = open_data(tmp_path)
    assert data.val is not None
    assert data.classes == ("blue", "red")
    assert data.train.labels.tolist() == [0, 1, 1]
    assert data.val.labels.tolist() == [0, 1]
    names = [data.train.item_name(i) for i in range(3)]
    assert names == [
        str(tmp_path / f"train/{n}") for n in ("blue/one.WebP", "red/a.png", "red/b.JPG")
    ]
    images = data.train.gather(indices(2, 0, 1))
    assert images.shape == (3, 256, 256, 3)
    middle = images[:, 128, 128].astype(int)
    assert np.abs(middle - [(200, 10, 10), (10, 10, 220), (210, 10, 10)]).max() <= 3


def test_hidden_and_other_files_are_skipped(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    for name in (".DS_Store", "red/._b.jpg", "red/notes.txt", "notes.txt", ".git/x.jpg"):
        file = tmp_path / "train" / name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"?")
    data = open_data(tmp_path)
    assert data.classes == ("blue", "red")
    assert len(data.train) == 3


def test_a_class_may_lack_validation_pictures_and_a_folder_validation(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    (tmp_path / "val/red/x.jpeg").unlink()
    (tmp_path / "val/red").rmdir()
    val = open_data(tmp_path).val
    assert val is not None and val.labels.tolist() == [0]
    (tmp_path / "val/blue/y.PNG").unlink()
    (tmp_path / "val/blue").rmdir()
    (tmp_path / "val").rmdir()
    assert open_data(tmp_path).val is None


def test_a_test_folder_is_a_separate_split(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    file = tmp_path / "test/red/t.png"
    file.parent.mkdir(parents=True)
    flat_picture((200, 10, 10)).save(file)
    data = open_data(tmp_path)
    assert data.test is not None and data.test.labels.tolist() == [1]
    assert list(data.splits) == ["train", "val", "test"]
    (tmp_path / "test/green").mkdir()
    with pytest.raises(DataError, match=r"test/green is a class that .*train does not have"):
        open_data(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "train/green").mkdir(), ["train/green", "no images"]),
        (lambda f: (f / "val/red/x.jpeg").unlink(), ["val/red", "no images"]),
        (
            lambda f: (f / "train/red/b.JPG").rename(f / "train/red/b.xcf"),
            None,  # one picture is left, which is enough
        ),
        (lambda f: (f / "val/green").mkdir(), ["val/green", "train does not have"]),
    ],
)
def test_invalid_folders_are_named(tmp_path: Path, spoil: object, words: list[str] | None) -> None:
    write_pictures(tmp_path)
    spoil(tmp_path)  # type: ignore[operator]
    if words is None:
        assert len(open_data(tmp_path).train) == 2
        return
    with pytest.raises(DataError) as caught:
        open_data(tmp_path)
    assert [word for word in words if word not in str(caught.value)] == [], caught.value


def test_a_train_folder_without_classes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    flat_picture((1, 2, 3)).save(tmp_path / "train/loose.png")
    with pytest.raises(DataError, match="train has no class folders"):
        open_data(tmp_path)


@pytest.mark.parametrize("cache_bytes", [0, 2**30])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_damaged_picture_is_found_when_used_and_named(
    tmp_path: Path, cache_bytes: int, threads: int
) -> None:
    write_pictures(tmp_path)
    bad = tmp_path / "train/red/a.png"
    bad.write_bytes(bad.read_bytes()[:60])
    source = read_folder(tmp_path, threads=threads, cache_bytes=cache_bytes).train
    assert source.gather(indices(0, 2)).shape == (2, 256, 256, 3)
    for _ in range(2):  # every time, not only the first
        with pytest.raises(DataError, match=r"red/a\.png is damaged"):
            source.gather(indices(2, 1, 0))


@pytest.mark.parametrize("cache_bytes", [0, 2**30])
@pytest.mark.parametrize("place", [0, 63, 64, 99])
def test_loading_finds_damage_in_the_validation_images(
    tmp_path: Path, cache_bytes: int, place: int
) -> None:
    write_pictures(tmp_path)
    for number in range(100):
        flat_picture((number, 10, 10)).save(tmp_path / f"val/blue/{number:02}.png")
    read_folder(tmp_path, resize=8, cache_bytes=cache_bytes).load()
    (tmp_path / f"val/blue/{place:02}.png").write_bytes(b"")
    data = read_folder(tmp_path, resize=8, cache_bytes=cache_bytes)
    with pytest.raises(DataError, match=rf"val/blue/{place:02}\.png"):
        data.load()


@pytest.mark.parametrize("cache_bytes", [0, 2**30])
@pytest.mark.parametrize("name", ["train/red/a.png", "val/blue/y.PNG"])
def test_training_finds_a_damaged_image_before_the_first_step(
    tmp_path: Path, cache_bytes: int, name: str
) -> None:
    write_pictures(tmp_path / "in")
    (tmp_path / "in" / name).write_bytes(b"\x89PNG\r\n\x1a\n broken")
    data = read_folder(tmp_path / "in", resize=10, cache_bytes=cache_bytes)
    net = tiny.net()
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        net.fit(data, epochs=1, batch_size=2, out=tmp_path / "run", verbose=False)
    assert net.step == 0 and not (tmp_path / "run").exists()


def test_pictures_that_fit_in_memory_are_decoded_once(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    kept, fresh = (
        read_folder(tmp_path, cache_bytes=n).train for n in (2**30, 3 * 256 * 256 * 3 - 1)
    )
    for source in (kept, fresh):
        source.gather(indices(0, 1, 2))
    (tmp_path / "train/red/a.png").unlink()
    assert kept.gather(indices(1)).shape == (1, 256, 256, 3)
    with pytest.raises(DataError, match="cannot be read"):
        fresh.gather(indices(1))


def test_threads_and_memory_do_not_change_a_pixel(shared: Path) -> None:
    folder = shared / "data" / "photos"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    some = indices(5, 2699, 1000, 5, 17, 400, 401)
    want = read_folder(folder, threads=1, cache_bytes=0).train.gather(some)
    for threads, cache_bytes in ((4, 0), (3, 2**30)):
        source = read_folder(folder, threads=threads, cache_bytes=cache_bytes).train
        np.testing.assert_array_equal(source.gather(some), want)
    assert want.std() > 30


def test_the_shared_photos_have_the_stated_counts(shared: Path) -> None:
    folder = shared / "data" / "photos"
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    data = open_data(folder)
    assert data.val is not None
    assert np.bincount(data.train.labels).tolist() == [270] * 10
    assert np.bincount(data.val.labels).tolist() == [60] * 10
    assert data.classes[0] == "cassette_player" and data.classes[9] == "tench"
    assert data.train.image_shape == (256, 256, 3)
