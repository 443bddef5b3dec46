"""Initial weights from another checkpoint: train on one data set, continue on another.

The paper's last row began so: pre-trained on the whole of ImageNet's Fall 2011 release, then
fine-tuned on the 1000 classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from alexnet_native.checkpoint import Checkpoint
from alexnet_native.errors import CheckpointError
from alexnet_native.models import Description
from alexnet_native.net import BaseNet

__all__ = ["Pretrained", "load_pretrained"]

# Words of a layer that do not change what its weights mean.
_IRRELEVANT = {
    "weight_lr", "bias_lr", "weight_decay", "bias_decay", "weight_std", "bias_value", "engine",
    "device", "towers", "input",
}  # fmt: skip


@dataclass(frozen=True)
class Pretrained:
    """What came from a checkpoint; `lines` say all of it: taken, new, not used, what differs."""

    lines: tuple[str, ...]

    def in_a_line(self) -> str:
        """The checkpoint, and all that was not simply taken; differences are only counted."""
        head, _, *rest = self.lines
        notes = [line for line in rest if line.startswith("  note: ")]
        rest = [line.strip() for line in rest if line not in notes] or ["taken: every layer"]
        if notes:
            count = "1 difference" if len(notes) == 1 else f"{len(notes)} differences"
            rest.append(f"{count} (listed by --verbose)")
        return "; ".join([head, *rest])


def load_pretrained(net: BaseNet, saved: Checkpoint) -> Pretrained:
    """Sets the parameters that the checkpoint has too; the others stay, and so does the step.

    The layer of the classes is new where the classes are others.

    Args:
        net: with class names and preprocessing, so that these can be compared.
        saved: of any network.

    Returns:
        What was taken, what is new, what was not used, and what differs.

    Raises:
        CheckpointError: a parameter has another shape, or none is in the checkpoint; the network
            is then unchanged.
    """
    here = {name: tuple(net.native.param_shape(name)) for name in net.params}
    names = [name.removeprefix("value/") for name in saved.file.names if name.startswith("value/")]
    there = {name: saved.file.shape(f"value/{name}") for name in names}
    of_classes = _of_classes(net.description) & _of_classes(saved.description)
    others = saved.class_names is not None and saved.class_names != net.class_names
    taken = []
    for name in [name for name in here if name in there]:
        if _layer(name) in of_classes and (others or here[name] != there[name]):
            continue
        if here[name] != there[name]:
            raise CheckpointError(
                f"{saved.path} cannot give its weights: {name} is {_times(there[name])} there and "
                f"{_times(here[name])} here; only the layer of the classes may differ in size"
            )
        taken.append(name)
    if not taken:
        raise CheckpointError(
            f"{saved.path} cannot give its weights: it is of {saved.description.name}, and no "
            f"parameter of {net.description.name} is in it"
        )
    for name in taken:
        value = saved.file.read(f"value/{name}")
        net.params[name] = value
    return Pretrained(tuple(_lines(net, saved, here, there, taken)))


def _lines(
    net: BaseNet, saved: Checkpoint, here: dict[str, Any], there: dict[str, Any], taken: list[str]
) -> Iterator[str]:
    yield f"initial weights from {saved.path}, of {saved.description.name} at step {saved.step}"
    used = _layers(taken)
    yield f"  taken: {', '.join(used)}"
    if new := [layer for layer in _layers(list(here)) if layer not in used]:
        yield f"  new: {', '.join(new)}"
    if unused := [layer for layer in _layers(list(there)) if layer not in used]:
        yield f"  not used: {', '.join(unused)}"
    for difference in _differences(net, saved):
        yield f"  note: {difference}"


def _differences(net: BaseNet, saved: Checkpoint) -> Iterator[str]:
    ours = {layer["name"]: layer for layer in net.description.layers}
    theirs = {layer["name"]: layer for layer in saved.description.layers}
    common = [name for name in ours if name in theirs]
    for name in common:
        for word in sorted({*ours[name], *theirs[name]} - _IRRELEVANT):
            there, here = theirs[name].get(word), ours[name].get(word)
            if there != here:
                yield f"{name} has {word} = {there!r} there and {here!r} here"
    with_weights = set(_layers([*net.params, *saved.file.names]))
    if alone := [name for name in ours if name not in theirs and name not in with_weights]:
        yield f"not there: {', '.join(alone)}"
    if alone := [
        name for name in theirs if name not in ours and f"value/{name}" not in with_weights
    ]:
        yield f"not here: {', '.join(alone)}"
    if [name for name in theirs if name in ours] != common:
        yield "the layers stand in another order there"
    before, now = saved.preprocess, net.preprocess
    if before and now and before.scale != now.scale:
        yield f"pixels were multiplied by {before.scale:g} there, by {now.scale:g} here"


def _of_classes(description: Description) -> set[str]:
    layers = description.layers
    return {layer["name"] for layer in layers if layer.get("channels") == "classes"}


def _layers(names: list[str]) -> list[str]:
    return list(dict.fromkeys(map(_layer, names)))


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
