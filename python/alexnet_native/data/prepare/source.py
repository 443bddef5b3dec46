"""Recognises the kind of a source."""

from __future__ import annotations

from pathlib import Path

from alexnet_native.data.prepare.cifar import find_cifar, list_cifar
from alexnet_native.data.prepare.folders import find_folders, list_folders
from alexnet_native.data.prepare.ilsvrc import find_ilsvrc, list_ilsvrc
from alexnet_native.data.prepare.inputs import Listing
from alexnet_native.data.prepare.tar_shards import find_tars, list_tars
from alexnet_native.data.shards.index import find_shards
from alexnet_native.errors import DataError

__all__ = ["list_source"]

_FORMS = (
    "an image folder (train/<class>/*.jpg and val/<class>/*.jpg, or <class>/*.jpg), the archives "
    "of ILSVRC-2012 or 2010 with their development kit, a folder of .tar archives, or CIFAR in the "
    "binary layout"
)


def list_source(source: Path) -> Listing:
    """Recognises and lists a source, without decoding images.

    Raises:
        DataError: the source does not exist, is not recognised, or has no training images.
    """
    if not source.exists():
        raise DataError(f"there is no file or folder {source}; the source can be {_FORMS}")
    if source.is_dir():
        if find_shards(source):
            raise DataError(f"{source} is already a prepared data set; train on it directly")
        if year := find_ilsvrc(source):
            return list_ilsvrc(source, year)
        if folder := find_cifar(source):
            return list_cifar(folder)
        if find_folders(source):
            return list_folders(source)
    if find_tars(source):
        return list_tars(source)
    if source.is_dir() and (source / "data_batch_1").is_file():
        raise DataError(
            f"{source} contains the Python version of CIFAR-10; download the binary version and "
            "specify its folder"
        )
    if (source / "train").is_dir():
        return list_folders(source)  # raises an error with the reason
    raise DataError(f"{source} is not recognised; the source can be {_FORMS}")
