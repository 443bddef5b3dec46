"""safetensors files: compatibility with the official reader, damaged files, atomic writing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from alexnet_native.checkpoint.safetensors_io import Entry, TensorFile, write
from alexnet_native.errors import CheckpointError
from safetensors import safe_open
from safetensors.numpy import load_file

TENSORS = {
    "value/a": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
    "value/b": np.array([1e300, -0.0, 5e-324]),
    "momentum/a": np.full((1, 1, 2), -2.5, np.float32),
}


def save(path: Path) -> Path:
    write(path, {name: Entry.of(array) for name, array in TENSORS.items()}, {"format": "x 1"})
    return path


def test_the_official_reader_reads_names_shapes_types_and_bits(tmp_path: Path) -> None:
    path = save(tmp_path / "f.safetensors")
    found = load_file(path)
    assert found.keys() == TENSORS.keys()
    for name, array in TENSORS.items():
        assert found[name].dtype == array.dtype and found[name].shape == array.shape
        assert found[name].tobytes() == array.tobytes()
    with safe_open(path, framework="numpy") as file:
        assert file.metadata()["format"] == "x 1"


def test_a_file_can_be_read_back(tmp_path: Path) -> None:
    file = TensorFile(save(tmp_path / "f"))
    assert set(file.names) == TENSORS.keys()
    assert file.metadata == {"format": "x 1"}
    for name, array in TENSORS.items():
        assert file.shape(name) == array.shape
        assert file.read(name).tobytes() == array.tobytes()


def test_equal_contents_are_equal_files_aligned_for_memory_maps(tmp_path: Path) -> None:
    first, second = save(tmp_path / "one"), save(tmp_path / "two")
    assert first.read_bytes() == second.read_bytes()
    assert (8 + int.from_bytes(first.read_bytes()[:8], "little")) % 64 == 0


@pytest.mark.parametrize("keep", [0, 7, 8, 100, -1])
def test_a_truncated_file_is_reported_as_damaged(tmp_path: Path, keep: int) -> None:
    path = save(tmp_path / "f")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(CheckpointError, match="f is damaged"):
        TensorFile(path)


def test_a_flipped_bit_is_detected_when_its_tensor_is_read(tmp_path: Path) -> None:
    path = save(tmp_path / "f")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    file = TensorFile(path)
    assert file.read("value/a").tobytes() == TENSORS["value/a"].tobytes()
    with pytest.raises(CheckpointError, match="momentum/a does not match its checksum"):
        file.read("momentum/a")


def test_the_error_for_a_missing_file_or_tensor_names_it(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*nothing"):
        TensorFile(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="the tensor value/c is missing"):
        TensorFile(save(tmp_path / "f")).read("value/c")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_keeps_the_old_file_and_leaves_no_partial_file(
    tmp_path: Path, error: BaseException
) -> None:
    path = save(tmp_path / "f")
    before = path.read_bytes()

    def fail() -> np.ndarray:
        raise error

    entries = {"value/a": Entry.of(TENSORS["value/a"]), "value/b": Entry((3,), "float64", fail)}
    with pytest.raises(type(error)) as caught:
        write(path, entries, {})
    if isinstance(error, OSError):
        assert caught.value.filename == os.fspath(path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["f"]


def test_the_error_for_a_missing_folder_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        save(tmp_path / "no" / "f")
    assert caught.value.filename == os.fspath(tmp_path / "no" / "f")
