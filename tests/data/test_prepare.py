"""Preparation: contents of the records, number of workers, interruptions, error messages."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from alexnet_native.data.folder import read_folder
from alexnet_native.data.prepare.preparation import Preparation
from alexnet_native.data.shards.columns import (
    read_checksums,
    read_labels,
    read_record_names,
    read_statistics,
)
from alexnet_native.data.shards.index import WORK, read_index
from alexnet_native.data.statistics import statistics
from alexnet_native.errors import DataError
from prepared import (
    contents,
    jpeg,
    prepare,
    records,
    request,
    require_numpys_statistics,
    write,
)

SHARD = 5 * 3 * 32 * 32  # bytes of five records


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """23 training and 4 validation pictures of three classes; two of them cut off."""
    folder = tmp_path_factory.mktemp("pictures")
    for i in range(23):
        content = jpeg(i, (40 + i, 70 - i))
        write(
            folder,
            {f"train/{'abc'[i % 3]}/{i:02d}.jpg": content[:200] if i in (7, 20) else content},
        )
    return write(folder, {f"val/{'abc'[i % 3]}/{i}.jpg": jpeg(50 + i) for i in range(4)})


def test_records_are_the_pixels_that_the_picture_folder_gives(source: Path, tmp_path: Path) -> None:
    whole = shutil.copytree(source, tmp_path / "whole")
    for name in ("b/07.jpg", "c/20.jpg"):
        (whole / "train" / name).unlink()
    index = prepare(source, tmp_path / "out", shard_bytes=SHARD).index
    data = read_folder(whole, resize=32)
    for split, want in (("train", data.train), ("val", data.val)):
        assert want is not None
        got = records(tmp_path / "out", index, split)
        np.testing.assert_array_equal(got, want.gather(np.arange(len(want))))
        np.testing.assert_array_equal(read_labels(tmp_path / "out", index, split), want.labels)
    assert [s.images for s in index.splits["train"].shards] == [5, 5, 5, 5, 1]
    assert index.splits["val"].images == 4 and index.classes == ("a", "b", "c")


def test_checksums_and_names_are_those_of_the_records(source: Path, tmp_path: Path) -> None:
    index = prepare(source, tmp_path, shard_bytes=SHARD).index
    got = records(tmp_path, index, "train")
    want = [zlib.crc32(record.tobytes()) for record in got]
    assert read_checksums(tmp_path, index, "train").tolist() == want
    for shard in index.splits["train"].shards:
        assert hashlib.sha256((tmp_path / shard.file).read_bytes()).hexdigest() == shard.sha256
    names = read_record_names(tmp_path, index, "train")
    assert names[:2] == ["train/a/00.jpg", "train/a/03.jpg"] and len(names) == len(got) == 21


def test_statistics_are_those_of_numpy_in_float64(source: Path, tmp_path: Path) -> None:
    index = prepare(source, tmp_path).index
    require_numpys_statistics(tmp_path, index)
    got, same = read_statistics(tmp_path, index), statistics(read_folder_of(tmp_path))
    for field in ("mean", "pca_std", "pca_vectors"):
        np.testing.assert_array_equal(getattr(got, field), getattr(same, field))


def read_folder_of(folder: Path):  # type: ignore[no-untyped-def]
    from alexnet_native.data import ArraySource

    index = read_index(folder)
    return ArraySource(records(folder, index, "train"), read_labels(folder, index, "train"))


def test_any_number_of_workers_gives_the_same_bytes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alexnet_native.data.prepare.run._CHUNK_BYTES", 2 * 3 * 32 * 32)
    for workers in (1, 4):
        prepare(source, tmp_path / str(workers), workers=workers, shard_bytes=SHARD)
    assert contents(tmp_path / "1") == contents(tmp_path / "4")


def test_a_finished_set_is_not_changed(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path)
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    summary = prepare(source, tmp_path)
    assert summary.index.splits["train"].images == 21
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before


def test_the_working_folder_of_a_killed_process_does_no_harm(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path)
    (tmp_path / WORK).mkdir()
    prepare(source, tmp_path)
    assert not (tmp_path / WORK).exists()


def begin(source: Path, folder: Path) -> None:
    """A preparation that stops before its first picture."""

    def stop(split: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Preparation(request(source, folder)).run(1, stop)


@pytest.mark.parametrize("start", [begin, prepare])
def test_a_folder_with_other_settings_is_refused(
    source: Path, tmp_path: Path, start: Callable[[Path, Path], object]
) -> None:
    start(source, tmp_path)
    with pytest.raises(DataError, match="with size 32, but now it is 16; use another folder"):
        prepare(source, tmp_path, size=16)


def test_a_source_that_changed_in_the_meantime_is_refused(tmp_path: Path) -> None:
    pictures = write(tmp_path / "in", {"a/1.jpg": jpeg(1), "b/2.jpg": jpeg(2)})
    begin(pictures, tmp_path / "out")
    write(pictures, {"a/3.jpg": jpeg(3)})
    with pytest.raises(DataError, match="has changed since"):
        prepare(pictures, tmp_path / "out")


def test_two_preparations_at_the_same_time_are_refused(source: Path, tmp_path: Path) -> None:
    def again(split: str, done: int, total: int) -> None:
        Preparation(request(source, tmp_path)).run(1)

    with pytest.raises(DataError, match="another alexnet-native prepare is writing to"):
        Preparation(request(source, tmp_path)).run(1, again)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP])
def test_preparing_without_locks_prints_a_warning(
    source: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: int,
) -> None:
    def refuse(*words: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    Preparation(request(source, tmp_path)).run(1)
    assert "is on a file system without locks" in capsys.readouterr().err


def test_existing_folders_are_refused(source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="use a folder outside it"):
        prepare(source, source / "shards")
    write(tmp_path, {"mine.txt": b"x"})
    with pytest.raises(DataError, match="is not empty; use a folder that is new or empty"):
        prepare(source, tmp_path)
    with pytest.raises(DataError, match="is a file; specify a folder"):
        prepare(source, tmp_path / "mine.txt")


def test_a_disk_that_is_too_small_is_reported_before_the_start(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preparation = Preparation(request(source, tmp_path / "out"))
    preparation.check_space()
    assert preparation.bytes_needed > 27 * 3 * 32 * 32
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9, 10**6)
    )
    with pytest.raises(DataError, match=r"needs 0\.1 GB more, but its disk has 0\.0 GB free"):
        Preparation(request(source, tmp_path / "out")).check_space()
    assert not (tmp_path / "out").exists()


def test_time_is_not_part_of_the_result(source: Path, tmp_path: Path) -> None:
    prepare(source, tmp_path / "a")
    time.sleep(1.1)  # so that a time stamp would differ
    prepare(source, tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.slow
def test_the_photos_have_their_counts_labels_and_mean(shared: Path, tmp_path: Path) -> None:
    photos = shared / "data" / "photos"
    index = prepare(photos, tmp_path, size=64).index
    for split, count in (("train", 270), ("val", 60)):
        labels = read_labels(tmp_path, index, split)
        assert np.bincount(labels).tolist() == [count] * 10
        names = read_record_names(tmp_path, index, split)
        assert [index.classes[label] for label in labels] == [n.split("/")[1] for n in names]
    require_numpys_statistics(tmp_path, index)
    assert prepare(photos, tmp_path, size=64).findings["converted", "grey"] == 61
