"""Data sets: reading, the built-in images, statistics, augmentation, loading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from alexnet_native.data.source import ArraySource, Dataset, Source, Splits
from alexnet_native.errors import DataError
from alexnet_native.paths import expand

__all__ = ["ArraySource", "Dataset", "Source", "Splits", "open_data", "open_splits"]

_FORMS = (
    "demo, a prepared folder (dataset.json), a CIFAR-10 folder (data_batch_1.bin, ...), an MNIST "
    "folder (train-images-idx3-ubyte, ...), an image folder (train/<class>/*.jpg, "
    "val/<class>/*.jpg) or an .npz file"
)


def open_data(spec: str | Path | Dataset | tuple[NDArray[Any], ...]) -> Dataset:
    """Opens a data set.

    Args:
        spec: one of

            - "demo", or "demo:200:50" for other numbers of training and validation images
              (:mod:`alexnet_native.data.demo` draws them);
            - a folder written by `alexnet-native prepare`;
            - a folder with CIFAR-10 in the binary layout, with the IDX files of MNIST, or with
              train/<class>/ and val/<class>/;
            - an .npz file;
            - arrays: (images, labels) or (images, labels, val_images, val_labels);
            - a Dataset, which is returned unchanged.

    Raises:
        DataError: the data does not exist, is not recognised, or is damaged.
    """
    if isinstance(spec, Dataset):
        return spec
    if isinstance(spec, tuple):
        from alexnet_native.data.arrays import from_arrays

        return from_arrays(spec)
    if _is_demo(spec):
        return _open_demo(str(spec))
    path = expand(spec)
    if path.is_dir():
        return _open_folder(path)
    if path.is_file():
        return _open_file(path)
    raise DataError(f"there is no file or folder {path}; data can be {_FORMS}")


def open_splits(spec: str | Path) -> Splits:
    """Opens data to evaluate: what `open_data` opens, folders with only val/ or test/, and .npz
    files with only validation arrays.

    Raises:
        DataError: as for `open_data`.
    """
    from alexnet_native.data import folder
    from alexnet_native.data.npz import read_npz_splits

    if _is_demo(spec):
        return _as_splits(open_data(spec))
    path = expand(spec)
    if path.is_dir() and folder.find_folder_without_train(path):
        return folder.read_folder_without_train(path)
    if path.is_file() and path.suffix.lower() == ".npz":
        return read_npz_splits(path)
    return _as_splits(open_data(spec))


def _as_splits(data: Dataset) -> Splits:
    return Splits(data.name, data.classes, data.splits)


def _is_demo(spec: str | Path) -> bool:
    return isinstance(spec, str) and spec.split(":")[0] == "demo"


def _open_demo(spec: str) -> Dataset:
    from alexnet_native.data.demo import demo

    sizes = spec.split(":")[1:]
    if not all(size.isdecimal() and int(size) > 0 for size in sizes) or len(sizes) not in (0, 2):
        raise DataError(
            f'"{spec}" is not valid; use demo, or demo:1600:400 for 1600 training and 400 '
            "validation images"
        )
    return demo(*(int(size) for size in sizes))


def _open_folder(path: Path) -> Dataset:
    from alexnet_native.data import cifar10, folder, mnist
    from alexnet_native.data.shards.index import find_shards

    if find_shards(path):
        from alexnet_native.data.shards.source import read_shards

        return read_shards(path)
    batches = cifar10.find_cifar10(path)
    if batches is not None:
        return cifar10.read_cifar10(batches)
    if mnist.find_mnist(path):
        return mnist.read_mnist(path)
    if folder.find_folder(path):
        return folder.read_folder(path)
    raise DataError(_why_not_a_data_folder(path))


def _open_file(path: Path) -> Dataset:
    from alexnet_native.data.npz import read_npz

    if path.suffix.lower() == ".npz":
        return read_npz(path)
    if path.suffix.lower() in (".gz", ".tgz", ".tar", ".zip", ".bz2", ".xz"):
        raise DataError(f"{path} is an archive; unpack it and specify the folder")
    raise DataError(f"{path} is not recognised as data; data can be {_FORMS}")


def _why_not_a_data_folder(path: Path) -> str:
    from alexnet_native.data.layout import find_splits

    names = {entry.name for entry in path.iterdir()}
    if not names:
        return f"the folder {path} is empty; data can be {_FORMS}"
    if names & {"data_batch_1", "test_batch", "cifar-10-batches-py"}:
        return (
            f"{path} contains the Python version of CIFAR-10; download the binary version and "
            "specify its folder"
        )
    if names & {"train.bin", "test.bin"}:
        return (
            f"{path} looks like CIFAR-100, which cannot be read directly; convert it with "
            "alexnet-native prepare"
        )
    if val := find_splits(path).get("val"):
        return f"{path} has {val.name}/ but no train/; put training images in {path}/train/<class>/"
    return f"the folder {path} is not recognised as data; data can be {_FORMS}"
