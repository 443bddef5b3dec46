"""What can be prepared, and what a path is of it."""

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
    "a picture folder (train/<class>/*.jpg and val/<class>/*.jpg, or <class>/*.jpg), the archives "
    "of ILSVRC-2012 or 2010 with their development kit, a folder of .tar archives, or CIFAR in the "
    "binary layout"
)


def list_source(source: Path) -> Listing:
    """Recognises and lists a source; decodes nothing.

    Raises:
        DataError: nothing is there, it is not recognised, or it holds nothing to train on.
    """
    if not source.exists():
        raise DataError(f"there is no file or folder {source}; what is prepared can be {_FORMS}")
    if source.is_dir():
        if find_shards(source):
            raise DataError(f"{source} is a prepared data set itself; train on it as it is")
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
            f"{source} holds CIFAR-10 for Python; download the binary version and give that folder"
        )
    if (source / "train").is_dir():
        return list_folders(source)  # which says what is missing there
    raise DataError(f"{source} is not recognised; what is prepared can be {_FORMS}")
