"""Whether a checkpoint belongs to a network; if not, the first difference."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from alexnet_native.errors import CheckpointError
from alexnet_native.models.description import Description
from alexnet_native.training.tensor_file import TensorFile

if TYPE_CHECKING:
    from alexnet_native.net import Net

__all__ = ["require_same_network"]


def require_same_network(net: Net, file: TensorFile, saved: Description) -> None:
    """Compares names and shapes of the parameters, then every word of the description.

    Args:
        net: the network here.
        file: the checkpoint's tensors.
        saved: the checkpoint's description.

    Raises:
        CheckpointError: they differ; the message names the first tensor or word that does.
    """
    # Through TOML, lists and tuples, whole numbers and floats are spelt alike.
    here = Description.from_toml(net.description.to_toml())
    name = "another network" if here.name == saved.name else f"{saved.name}, not of {here.name}"
    for difference in chain(_tensors(net, file), _words(here, saved)):
        raise CheckpointError(f"checkpoint {file.path} is of {name}: {difference}")


def _tensors(net: Net, file: TensorFile) -> Iterator[str]:
    here = {name: tuple(net.native.param_shape(name)) for name in net.params}
    names = [name.removeprefix("value/") for name in file.names if name.startswith("value/")]
    there = {name: file.shape(f"value/{name}") for name in names}
    for name, shape in here.items():
        if name not in there:
            yield f"it has no {name}"
        elif there[name] != shape:
            yield f"{name} is {_times(there[name])} there and {_times(shape)} here"
    for name in [name for name in there if name not in here]:
        yield f"it has {name}, which this network has not"


def _words(here: Description, there: Description) -> Iterator[str]:
    for mine, theirs in zip(here.layers, there.layers, strict=False):
        for word in sorted({*mine, *theirs}):
            if mine.get(word) != theirs.get(word):
                yield (
                    f"layer {theirs['name']} has {word} = {theirs.get(word)!r} there and "
                    f"{mine.get(word)!r} here"
                )
    if len(here.layers) != len(there.layers):
        yield f"it has {len(there.layers)} layers there and {len(here.layers)} here"
    if here.input_shape != there.input_shape:
        yield f"its input is {_times(there.input_shape)} there and {_times(here.input_shape)} here"


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
