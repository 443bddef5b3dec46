"""Reads and writes safetensors files: named tensors and string metadata, checksums added.

The writer replaces ``safetensors.numpy.save_file``: it keeps only one tensor at a time in memory,
and a full disk raises ``OSError``. Layout (https://github.com/huggingface/safetensors#format): the
length of the header in 8 bytes, the header as JSON padded with spaces, then the data without gaps.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from alexnet_native.atomic import replacing
from alexnet_native.errors import CheckpointError

__all__ = ["Entry", "TensorFile", "write"]

_NAMES = {"float32": "F32", "float64": "F64"}
_CHECKSUMS = "crc32"
_ALIGNMENT = 64  # bytes; alignment of the data, so that a memory map of it is aligned


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
    header: dict[str, Any] = {"__metadata__": {**metadata, _CHECKSUMS: sums}}
    begin = 0
    for name, entry in tensors.items():
        end = begin + entry.size_bytes
        header[name] = {
            "dtype": _NAMES[entry.dtype],
            "shape": list(entry.shape),
            "data_offsets": [begin, end],
        }
        begin = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    return len(text).to_bytes(8, "little") + text


class TensorFile:
    """A safetensors file opened for reading. `read` reads a tensor and compares its checksum.

    Raises:
        CheckpointError: the file is missing, not a safetensors file, or truncated.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            file: Any = safe_open(path, framework="numpy")
        except FileNotFoundError:
            raise CheckpointError(f"there is no checkpoint {path}") from None
        except SafetensorError as error:
            raise self._damaged(str(error)) from error
        except OSError as error:
            raise CheckpointError(f"checkpoint {path} cannot be read: {error.strerror}") from error
        self._file = file
        self.metadata: dict[str, str] = file.metadata() or {}
        self.names = tuple(file.keys())
        try:
            self._checksums: dict[str, str] = json.loads(self.metadata.pop(_CHECKSUMS, "{}"))
        except ValueError as error:
            raise self._damaged("its checksums cannot be read") from error

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self._file.get_slice(name).get_shape())

    def read(self, name: str) -> NDArray[Any]:
        """Returns a copy of the tensor.

        Raises:
            CheckpointError: the tensor is not in the file, or does not match its checksum.
        """
        if name not in self.names:
            raise self._damaged(f"the tensor {name} is missing")
        array: NDArray[Any] = np.ascontiguousarray(self._file.get_tensor(name))
        found = f"{zlib.crc32(array.reshape(-1).view(np.uint8).data):08x}"
        if self._checksums.get(name, found) != found:
            raise self._damaged(f"the tensor {name} does not match its checksum")
        return array

    def _damaged(self, why: str) -> CheckpointError:
        return CheckpointError(
            f"checkpoint {self.path} is damaged ({why}); use an earlier one from the same folder"
        )
