"""Initial weights from a checkpoint, to fine-tune a network on another data set.

The paper does so in section 6: a network trained on the whole ImageNet Fall 2011 release is
fine-tuned on the 1000 classes of ILSVRC-2012.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from alexnet_native.checkpoint import Checkpoint
from alexnet_native.data.classes import same_classes
from alexnet_native.errors import CheckpointError
from alexnet_native.models import Description
from alexnet_native.net import BaseNet

__all__ = ["Pretrained", "load_pretrained"]

# Attributes of a layer that do not affect the meaning of its weights.
_IRRELEVANT = {
    "weight_lr", "bias_lr", "weight_decay", "bias_decay", "weight_std", "bias_value", "engine",
    "device", "towers", "input",
}  # fmt: skip


@dataclass(frozen=True)
class Pretrained:
    """Report of the weights loaded from a checkpoint.

    Attributes:
        lines: layers that were loaded, new layers, unused layers, and differences.
    """

    lines: tuple[str, ...]

    def short(self) -> str:
        """Returns one line: the checkpoint, new and unused layers, number of differences."""
        head, _, *rest = self.lines
        notes = [line for line in rest if line.startswith("  note: ")]
        rest = [line.strip() for line in rest if line not in notes] or ["loaded: all layers"]
        if notes:
            count = "1 difference" if len(notes) == 1 else f"{len(notes)} differences"
            rest.append(f"{count} (listed by --verbose)")
        return "; ".join([head, *rest])


def load_pretrained(net: BaseNet, saved: Checkpoint) -> Pretrained:
    """Sets the parameters of a network that have the same name in a checkpoint.

    The other parameters, the momentum and the step do not change. If the classes differ, the output
    layer, whose number of channels is the number of classes, is not loaded.

    Args:
        net: the network, with class names and preprocessing for comparison.
        saved: a checkpoint of any network.

    Returns:
        A report.

    Raises:
        CheckpointError: the shapes of a parameter differ, or no name matches; the network is
            unchanged.
    """
    here = {name: tuple(net.native.param_shape(name)) for name in net.params}
    names = [name.removeprefix("value/") for name in saved.file.names if name.startswith("value/")]
    there = {name: saved.file.shape(f"value/{name}") for name in names}
    output = _output_layers(net.description) & _output_layers(saved.description)
    known = saved.class_names
    classes_differ = known is not None and not same_classes(known, net.class_names)
    loaded = []
    for name in [name for name in here if name in there]:
        if _layer(name) in output and (classes_differ or here[name] != there[name]):
            continue
        if here[name] != there[name]:
            raise CheckpointError(
                f"weights cannot be loaded from {saved.path}: {name} is {_times(there[name])} in "
                f"the checkpoint, {_times(here[name])} here; only the output layer may differ"
            )
        loaded.append(name)
    if not loaded:
        raise CheckpointError(
            f"weights cannot be loaded from {saved.path}: it is a checkpoint of "
            f"{saved.description.name}, and contains no parameter of {net.description.name}"
        )
    for name in loaded:
        value = saved.file.read(f"value/{name}")
        net.params[name] = value
    return Pretrained(tuple(_lines(net, saved, here, there, loaded)))


def _lines(
    net: BaseNet, saved: Checkpoint, here: dict[str, Any], there: dict[str, Any], loaded: list[str]
) -> Iterator[str]:
    yield f"initial weights from {saved.path} ({saved.description.name}, step {saved.step})"
    used = _layers(loaded)
    yield f"  loaded: {', '.join(used)}"
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
        for attribute in sorted({*ours[name], *theirs[name]} - _IRRELEVANT):
            there, here = theirs[name].get(attribute), ours[name].get(attribute)
            if there != here:
                yield f"{name} has {attribute} = {there!r} in the checkpoint, {here!r} here"
    with_weights = set(_layers([*net.params, *saved.file.names]))
    if alone := [name for name in ours if name not in theirs and name not in with_weights]:
        yield f"not in the checkpoint: {', '.join(alone)}"
    if alone := [
        name for name in theirs if name not in ours and f"value/{name}" not in with_weights
    ]:
        yield f"only in the checkpoint: {', '.join(alone)}"
    if [name for name in theirs if name in ours] != common:
        yield "the order of the layers is different in the checkpoint"
    before, now = saved.preprocess, net.preprocess
    if before and now and before.scale != now.scale:
        yield f"pixels are multiplied by {before.scale:g} in the checkpoint, by {now.scale:g} here"


def _output_layers(description: Description) -> set[str]:
    layers = description.layers
    return {layer["name"] for layer in layers if layer.get("channels") == "classes"}


def _layers(names: list[str]) -> list[str]:
    return list(dict.fromkeys(map(_layer, names)))


def _layer(name: str) -> str:
    return name.rpartition(".")[0]


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
