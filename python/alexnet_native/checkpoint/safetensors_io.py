"""Reads and writes safetensors files: named tensors and string metadata, checksums added.

The writer replaces ``safetensors.numpy.save_file``: it keeps only one tensor at a time in memory,
and a full disk raises ``OSError``. Layout (https://github.com/huggingface/safetensors#format): the
length of the header in 8 bytes, the header as JSON padded with spaces, then the data without gaps.

The reader replaces ``safetensors.safe_open``, which maps the file into memory: a file that is
truncated while it is read gives an error message instead of SIGBUS, and a tensor is in memory once.
"""

from __future__ import annotations

import json
import math
import os
import re
import weakref
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native.atomic import replacing
from alexnet_native.errors import CheckpointError

__all__ = ["Entry", "TensorFile", "write"]

_NAMES = {"float32": "F32", "float64": "F64"}
_CHECKSUMS = "crc32"  # of the tensors
_HEADER_CHECKSUM = "header_crc32"  # of the other metadata and of the tensors' names, types, shapes
_ALIGNMENT = 64  # bytes; alignment of the data, so that a memory map of it is aligned
_LONGEST_HEADER = 100_000_000  # bytes; the limit of safetensors
_MOST_DIMENSIONS = 32  # the limit of NumPy 1
_PIECE = 1 << 22  # number of bytes read at a time

# NumPy type (None: NumPy has none) and number of bytes of each type of safetensors.
_TYPES: Mapping[str, tuple[str | None, int]] = {
    "F64": ("<f8", 8), "F32": ("<f4", 4), "F16": ("<f2", 2), "BF16": (None, 2),
    "F8_E4M3": (None, 1), "F8_E5M2": (None, 1), "F8_E8M0": (None, 1), "C64": ("<c8", 8),
    "BOOL": ("?", 1),
    "I64": ("<i8", 8), "I32": ("<i4", 4), "I16": ("<i2", 2), "I8": ("i1", 1),
    "U64": ("<u8", 8), "U32": ("<u4", 4), "U16": ("<u2", 2), "U8": ("u1", 1),
}  # fmt: skip

# How files of other kinds begin, and what they are.
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (rb"version https://git-lfs", "a Git LFS pointer, not the file itself: run git lfs pull"),
    (rb"\s*<(!doctype|html|\?xml)", "a web page: the download did not give the file itself"),
    (rb"PK\x03\x04", "a zip archive, such as a PyTorch or .npz file"),
    (rb"\x80[\x02-\x05]", "a pickle file, such as an old PyTorch file"),
    (rb"\x93NUMPY", "a NumPy file"),
    (rb"\x89HDF", "an HDF5 file, such as one of Keras"),
    (rb"MATLAB 5.0", "a MATLAB file"),
    (rb"GGUF", "a GGUF file"),
    (rb"\x1f\x8b", "a gzip file: unpack it first"),
    (rb"\x89PNG|\xff\xd8\xff|GIF8", "a picture"),
)
_FOREIGN_NAMES: Mapping[str, str] = {
    ".caffemodel": "a Caffe file", ".onnx": "an ONNX file", ".pb": "a TensorFlow file",
    ".pt": "a PyTorch file", ".pth": "a PyTorch file", ".toml": "a TOML file",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A tensor to write. `read` is called once, just before the tensor is written."""

    shape: tuple[int, ...]
    dtype: str  # "float32" or "float64"
    read: Callable[[], NDArray[Any]]

    @classmethod
    def of(cls, array: NDArray[Any]) -> Entry:
        return cls(array.shape, array.dtype.name, lambda: array)

    @property
    def size_bytes(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64)) * np.dtype(self.dtype).itemsize


def write(path: Path, tensors: Mapping[str, Entry], metadata: Mapping[str, str]) -> None:
    """Writes a file atomically.

    Raises:
        OSError: full disk, no permission, no such folder; an existing file is unchanged.
    """
    checksums = dict.fromkeys(tensors, 0)
    with replacing(path) as file:
        file.write(_header(tensors, metadata, checksums))
        for name, entry in tensors.items():
            array = np.ascontiguousarray(
                entry.read(), dtype=np.dtype(entry.dtype).newbyteorder("<")
            )
            if array.shape != entry.shape:
                raise ValueError(f"{name} has shape {array.shape}, expected {entry.shape}")
            data = array.reshape(-1).view(np.uint8)
            checksums[name] = zlib.crc32(data.data)
            file.write(data.data)
        file.seek(0)
        # The header has the same length as before, because checksums have a fixed width.
        file.write(_header(tensors, metadata, checksums))


def _header(
    tensors: Mapping[str, Entry], metadata: Mapping[str, str], checksums: Mapping[str, int]
) -> bytes:
    sums = json.dumps({name: f"{value:08x}" for name, value in checksums.items()})
    metadata = {**metadata, _CHECKSUMS: sums}
    entries: dict[str, Any] = {}
    begin = 0
    for name, entry in tensors.items():
        end = begin + entry.size_bytes
        entries[name] = {
            "dtype": _NAMES[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [begin, end],
        }
        begin = end
    checksum = _header_checksum(metadata, entries)
    header = {"__metadata__": {**metadata, _HEADER_CHECKSUM: checksum}, **entries}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


def _header_checksum(metadata: Mapping[str, str], entries: Mapping[str, Any]) -> str:
    """Returns the checksum of a header. It does not depend on the order or spacing of the JSON.

    The positions of the data are left out: the rules for them, and the checksum of each tensor,
    detect any change.
    """
    kinds = {name: [entry["dtype"], entry["shape"]] for name, entry in entries.items()}
    return f"{zlib.crc32(json.dumps([metadata, kinds], sort_keys=True).encode()):08x}"


@dataclass(frozen=True)
class _Tensor:
    """Where a tensor is in the file."""

    kind: str
    shape: tuple[int, ...]
    begin: int
    end: int


class TensorFile:
    """A safetensors file opened for reading. `read` reads a tensor and compares its checksum.

    The file stays open, so that a file that is deleted or replaced can still be read.

    Raises:
        CheckpointError: the file is missing, not a safetensors file, or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            raise CheckpointError(f"there is no checkpoint {path}") from None
        except OSError as error:
            raise CheckpointError(f"checkpoint {path} cannot be read: {error.strerror}") from error
        weakref.finalize(self, os.close, self._descriptor)
        size = os.fstat(self._descriptor).st_size
        start = bytes(self._bytes(0, min(size, 128)))
        length = int.from_bytes(start[:8], "little")
        if what := _foreign(path, start):
            raise CheckpointError(
                f"{path} is not a checkpoint of alexnet-native: it is {what}; give a file that "
                "alexnet-native train or Net.save has written"
            )
        if size < 8 or length > min(size - 8, _LONGEST_HEADER):
            raise self._damaged("it is truncated, or its header is not valid")
        self._begin = 8 + length
        try:
            header = json.loads(bytes(self._bytes(8, length)), parse_constant=_no_constant)
            self.metadata, entries = _parts(header)
            self._tensors = {name: _tensor(entry) for name, entry in entries.items()}
            _require_no_gaps(self._tensors, size - self._begin)
            checksum = self.metadata.pop(_HEADER_CHECKSUM, None)
            if checksum not in (None, _header_checksum(self.metadata, entries)):
                raise ValueError("its header does not match its checksum")
            self._checksums: dict[str, Any] = json.loads(self.metadata.pop(_CHECKSUMS, "{}"))
            if not isinstance(self._checksums, dict):
                raise ValueError("its checksums cannot be read")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._damaged(str(error) or type(error).__name__) from error
        self.names = tuple(self._tensors)

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors[name].shape

    def read(self, name: str) -> NDArray[Any]:
        """Returns a copy of the tensor.

        Raises:
            CheckpointError: the tensor is not in the file, cannot be read, or does not match its
                checksum.
        """
        if name not in self.names:
            raise self._damaged(f"the tensor {name} is missing")
        tensor = self._tensors[name]
        dtype = _TYPES[tensor.kind][0]
        if dtype is None:
            raise self._damaged(f"the tensor {name} has the type {tensor.kind}")
        data = self._bytes(self._begin + tensor.begin, tensor.end - tensor.begin)
        if self._checksums.get(name, found := f"{zlib.crc32(data.data):08x}") != found:
            raise self._damaged(f"the tensor {name} does not match its checksum")
        return data.view(dtype).reshape(tensor.shape)

    def _bytes(self, begin: int, count: int) -> NDArray[np.uint8]:
        """Reads a part of the file. Raises CheckpointError if the file ends before."""
        data = np.empty(count, np.uint8)
        done = 0
        while done < count:
            try:
                piece = os.pread(self._descriptor, min(_PIECE, count - done), begin + done)
            except OSError as error:
                raise CheckpointError(
                    f"checkpoint {self.path} cannot be read: {error.strerror}"
                ) from error
            if not piece:
                raise self._damaged("it is truncated")
            data[done : done + len(piece)] = np.frombuffer(piece, np.uint8)
            done += len(piece)
        return data

    def _damaged(self, why: str) -> CheckpointError:
        why = " ".join(why.split())[:200]
        return CheckpointError(
            f"checkpoint {self.path} is damaged ({why}); use an earlier one from the same folder"
        )


def _foreign(path: Path, start: bytes) -> str:
    """Returns what a file is that is no safetensors file, or "" if it may be one."""
    if start[8:9] == b"{" or not start.strip(b"\0"):  # a header begins here; or an empty file
        return ""
    for pattern, what in _FOREIGN:
        if re.match(pattern, start, re.IGNORECASE):
            return what
    named = _FOREIGN_NAMES.get(path.suffix.lower(), "")
    if named or len(start) <= 8:
        return named
    # A damaged header still has its length: at most 8 digits, so that the upper bytes are 0.
    return "" if start[4:8] == bytes(4) else "a file of another kind"


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not valid JSON")


def _parts(header: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """Splits a header into the metadata and the tensors' entries."""
    if not isinstance(header, dict):
        raise ValueError("its header is not a table")
    entries = dict(header)
    metadata = entries.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise ValueError("its metadata is not a table of strings")
    return dict(metadata), entries


def _tensor(entry: Mapping[str, Any]) -> _Tensor:
    """Checks the entry of a tensor."""
    kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
    numbers = [*shape, begin, end]
    if len(shape) > _MOST_DIMENSIONS:
        raise ValueError("a tensor has too many dimensions")
    if not all(type(number) is int and 0 <= number < 1 << 63 for number in numbers):
        raise ValueError("a shape or position in its header is not a number")
    if kind not in _TYPES:
        raise ValueError(f"there is no type {kind}")
    if end - begin != math.prod(shape) * _TYPES[kind][1]:
        raise ValueError("the length of a tensor does not fit its shape")
    return _Tensor(kind, tuple(shape), begin, end)


def _require_no_gaps(tensors: Mapping[str, _Tensor], size: int) -> None:
    """Raises ValueError unless the tensors fill all `size` bytes, without gaps or overlaps."""
    position = 0
    for tensor in sorted(tensors.values(), key=lambda tensor: (tensor.begin, tensor.end)):
        if tensor.begin != position:
            raise ValueError("there is a gap between its tensors, or they overlap")
        position = tensor.end
    if position != size:
        raise ValueError(f"it has {size} bytes of data instead of {position}")
