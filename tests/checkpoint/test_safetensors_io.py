"""safetensors files: compatibility with the official reader, damaged files, atomic writing."""

from __future__ import annotations

import json
import os
import random
import struct
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alexnet_native.checkpoint.safetensors_io import Entry, TensorFile, write
from alexnet_native.errors import CheckpointError
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

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


def header_of(path: Path) -> tuple[dict[str, Any], bytes]:
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


def write_header(path: Path, header: object, data: bytes) -> None:
    text = (header if isinstance(header, str) else json.dumps(header)).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def contents(path: Path) -> tuple[list[Any], list[Any]]:
    file = TensorFile(path)
    tensors = {n: (file.shape(n), file.read(n).dtype, file.read(n).tobytes()) for n in file.names}
    return sorted(file.metadata.items()), sorted(tensors.items(), key=str)


def test_no_flipped_bit_of_the_header_changes_a_value(tmp_path: Path) -> None:
    path, flipped = save(tmp_path / "f"), tmp_path / "g"
    write(path, {n: Entry.of(a) for n, a in TENSORS.items()}, {"format": "x 1", "step": "40"})
    data, right = path.read_bytes(), contents(path)
    refused = 0
    length = 8 + int.from_bytes(data[:8], "little")
    for bit in range(8 * length):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        flipped.write_bytes(changed)
        try:
            found = contents(flipped)
        except CheckpointError:
            refused += 1
            continue
        # If the name of the checksum is damaged, the file has an unknown entry, and no checksum.
        metadata, tensors = found
        assert tensors == right[1]
        assert set(metadata) >= set(right[0]) and len(metadata) <= len(right[0]) + 1
    assert refused > 8 * length * 0.7


def test_files_without_a_checksum_of_the_header_can_be_read(tmp_path: Path) -> None:
    path = save(tmp_path / "f")
    right = contents(path)
    header, data = header_of(path)
    del header["__metadata__"]["header_crc32"]
    write_header(path, header, data)
    assert contents(path) == right
    header["__metadata__"]["format"] = "x 2"
    write_header(path, header, data)
    assert TensorFile(path).metadata == {"format": "x 2"}
    save_file(TENSORS, path)
    assert TensorFile(path).read("value/b").tobytes() == TENSORS["value/b"].tobytes()


def test_a_header_that_another_program_has_written_anew_can_be_read(tmp_path: Path) -> None:
    path = save(tmp_path / "f")
    right = contents(path)
    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    save_file(tensors, path, metadata)
    assert contents(path) == right


def entry(begin: object, end: object, shape: object = (2,), kind: object = "F32") -> object:
    return {"dtype": kind, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "header",
    [
        "[]", "1", "{", "{]", "[" * 100_000, '{"a":' * 50_000, '{"a": 1e999999999}', '{"a": NaN}',
        {"__metadata__": [1]}, {"__metadata__": {"step": 1}}, {"__metadata__": {"crc32": "[]"}},
        {"__metadata__": {"crc32": "{"}}, {"a": 1}, {"a": {}}, {"a": entry(0, 8, kind="F31")},
        {"a": entry(0, 8, kind=["F32"])}, {"a": entry(0, 8, shape=[-1, -2])},
        {"a": entry(0, 8, shape=[2.0])}, {"a": entry(0, 8, shape=[True, 2])},
        {"a": entry(0, 8, shape=[1] * 70 + [2])}, {"a": entry(0, 8, shape=3)},
        {"a": entry(0, 8, shape=[10**400])}, {"a": entry(0, "8")}, {"a": entry(8, 0)},
        {"a": entry(0, 4, shape=[1])}, {"a": entry(4, 8, shape=[1])}, {"a": entry(0, 12, [3])},
        {"a": entry(0, 8), "b": entry(0, 8)}, {"a": entry(-8, 0)}, {},
    ],
)  # fmt: skip
def test_a_header_against_the_rules_is_reported_as_damaged(tmp_path: Path, header: object) -> None:
    path = tmp_path / "f"
    write_header(path, {"a": entry(0, 8)}, bytes(8))
    assert TensorFile(path).read("a").tobytes() == bytes(8)
    write_header(path, header, bytes(8))
    with pytest.raises(CheckpointError, match="f is damaged") as caught:
        TensorFile(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400 + len(str(path))


def test_random_bytes_in_the_header_are_reported_as_damaged(tmp_path: Path) -> None:
    path = save(tmp_path / "f")
    data, right = path.read_bytes(), contents(path)
    draw = random.Random(0)
    for _ in range(2000):
        changed = bytearray(data)
        for _ in range(draw.randint(1, 4)):
            changed[draw.randrange(len(data))] = draw.randrange(256)
        path.write_bytes(changed)
        with suppress(CheckpointError):
            assert contents(path)[1] == right[1]


def test_a_file_that_is_truncated_while_it_is_open_is_reported(tmp_path: Path) -> None:
    path = save(tmp_path / "f")
    file = TensorFile(path)
    os.truncate(path, path.stat().st_size - 12)
    with pytest.raises(CheckpointError, match=r"f is damaged \(it is truncated\)"):
        file.read("momentum/a")


def test_a_file_that_is_deleted_while_it_is_open_can_be_read(tmp_path: Path) -> None:
    path = save(tmp_path / "f")
    file = TensorFile(path)
    path.unlink()
    assert file.read("value/a").tobytes() == TENSORS["value/a"].tobytes()


def test_files_are_closed_and_a_tensor_is_in_memory_once(tmp_path: Path) -> None:
    large = np.arange(40_000_000, dtype=np.float32)  # 153 MiB
    path = tmp_path / "f"
    write(path, {"a": Entry.of(large)}, {})
    before = len([*Path("/dev/fd").iterdir()])
    for _ in range(5):
        file = TensorFile(path)
    del file
    assert len([*Path("/dev/fd").iterdir()]) == before
    tracemalloc.start()
    try:
        array = TensorFile(path).read("a")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert array.tobytes() == large.tobytes()
    assert large.nbytes <= peak < 1.2 * large.nbytes


FOREIGN = {
    "model.safetensors": (b"version https://git-lfs.github.com/spec/v1\noid", "git lfs pull"),
    "page.safetensors": (b"<!DOCTYPE html><html>", "a web page"),
    "error.safetensors": (b"<?xml version='1.0'?><Error>", "a web page"),
    "old.pth": (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", "a pickle file"),
    "net.caffemodel": (b"\n\x07AlexNet" + bytes(200), "a Caffe file"),
    "net.onnx": (b"\x08\x07\x12\x07pytorch" + bytes(200), "an ONNX file"),
    "net.npy": (b"\x93NUMPY\x01\0v\0{'descr'", "a NumPy file"),
    "net.h5": (b"\x89HDF\r\n\x1a\n" + bytes(50), "an HDF5 file"),
    "net.mat": (b"MATLAB 5.0 MAT-file", "a MATLAB file"),
    "x.png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a picture"),
    "net.toml": (b'name = "alexnet"\ninput = [3]', "a TOML file"),
    "f.gz": (b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "a gzip file"),
    "notes": (b"remember to train a larger network", "a file of another kind"),
}


@pytest.mark.parametrize("name", [*FOREIGN, "net.pth"])
def test_a_file_of_another_kind_is_refused_as_what_it_is(tmp_path: Path, name: str) -> None:
    if name == "net.pth":
        with zipfile.ZipFile(tmp_path / name, "w") as file:
            file.writestr("archive/data.pkl", b"\x80\x02}q\0.")
        what = "a zip archive"
    else:
        data, what = FOREIGN[name]
        (tmp_path / name).write_bytes(data)
    with pytest.raises(CheckpointError, match="is not a checkpoint of alexnet-native") as caught:
        TensorFile(tmp_path / name)
    assert what in str(caught.value)
    assert "damaged" not in str(caught.value) and "earlier" not in str(caught.value)


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
