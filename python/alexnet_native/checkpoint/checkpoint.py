"""Checkpoints: the state of a network and its training run in one safetensors file.

Tensors: ``value/conv1.weight`` and ``momentum/conv1.weight`` for each parameter,
``value/bn1.running_mean`` for the state of a layer, and ``preprocess/mean``,
``preprocess/pca_std``, ``preprocess/pca_vectors`` for uint8 images.
Metadata: ``format``; ``description`` of the network (TOML); ``config``, the settings of the run
(TOML); ``network`` and ``progress`` (JSON); ``recipe`` (JSON) if the run follows one. The file
contains no time stamps: equal runs write equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from alexnet_native import _core
from alexnet_native.atomic import pointed_to
from alexnet_native.checkpoint.safetensors_io import Entry, TensorFile, write
from alexnet_native.data.preprocess import Preprocess
from alexnet_native.data.statistics import Statistics
from alexnet_native.errors import CheckpointError, UserError
from alexnet_native.models.description import Description
from alexnet_native.paths import expand
from alexnet_native.recipes import FollowedRecipe

__all__ = ["FORMAT", "LATEST", "Checkpoint", "find", "load", "restore", "save"]

FORMAT = "alexnet-native checkpoint 1"
LATEST = "latest"
_STATISTICS = ("mean", "pca_std", "pca_vectors")


class SavedNet(Protocol):
    """The attributes of `BaseNet` that a checkpoint stores."""

    native: _core.Network
    description: Description
    seed: int
    precision: str
    step: int
    class_names: tuple[str, ...] | None
    preprocess: Preprocess | None

    @property
    def params(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class Checkpoint:
    """An open checkpoint. The tensors of parameters are read later, by `restore`."""

    file: TensorFile
    description: Description
    seed: int
    precision: str
    step: int  # number of updates
    class_names: tuple[str, ...] | None
    preprocess: Preprocess | None
    config: str  # settings of the run, TOML; empty if the file was written by `Net.save`
    progress: Mapping[str, Any]  # state of the run; empty if the file was written by `Net.save`
    followed: FollowedRecipe | None  # recipe of the run, if any

    @property
    def path(self) -> Path:
        return self.file.path


def save(
    path: str | Path,
    net: SavedNet,
    *,
    config: str = "",
    progress: Mapping[str, Any] | None = None,
    recipe: Mapping[str, Any] | None = None,
    engines: Mapping[str, str] | None = None,
) -> None:
    """Writes a checkpoint atomically: on an error, no partial file remains.

    Args:
        path: the file; an existing file is replaced.
        net: its weights, momentum, step, class names, preprocessing and description are stored.
        config: settings of the run, TOML.
        progress: state of the run; JSON values only.
        recipe: the recipe and the deviations from it: `FollowedRecipe.to_json`.
        engines: convolution engine by layer; stored for information only.

    Raises:
        OSError: full disk, no permission, no such folder.
    """
    dtype = "float64" if net.precision == "fp64" else "float32"
    tensors = {
        f"{kind}/{name}": Entry(
            tuple(net.native.param_shape(name)), dtype, partial(net.native.get, name, kind)
        )
        for kind, name in _stored(net)
    }
    network: dict[str, Any] = {
        "step": net.step,
        "seed": net.seed,
        "precision": net.precision,
        "class_names": net.class_names,
        "engines": dict(engines or {}),
        "versions": {"alexnet_native": _core.__version__, "numpy": np.__version__},
    }
    if net.preprocess is not None:
        statistics = net.preprocess.statistics
        for name in _STATISTICS:
            tensors[f"preprocess/{name}"] = Entry.of(getattr(statistics, name))
        network["preprocess"] = {
            name: getattr(net.preprocess, name) for name in ("crop", "mean", "scale")
        }
    metadata = {
        "format": FORMAT,
        "description": net.description.to_toml(),
        "config": config,
        "network": json.dumps(network),
        "progress": json.dumps(dict(progress or {})),
        **({"recipe": json.dumps(dict(recipe))} if recipe else {}),
    }
    write(expand(path), tensors, metadata)


def _stored(net: SavedNet) -> Iterator[tuple[Literal["value", "momentum"], str]]:
    """Kind and name of each tensor: the state of layers has no momentum."""
    for name in net.params:
        yield "value", name
    for name in net.native.param_names():
        yield "momentum", name


def find(path: str | Path) -> Path:
    """Returns the checkpoint file for a path.

    Args:
        path: a checkpoint, ``checkpoints/latest``, a checkpoints folder or a run folder. In a
            folder without ``latest`` it is the checkpoint with the most steps.

    Raises:
        CheckpointError: there is no checkpoint.
    """
    path = expand(path)
    try:
        found = _find(path)
    except OSError as error:  # for example a name that is too long
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from error
    if found:
        return found
    if path.is_dir():
        raise CheckpointError(f"the folder {path} contains no checkpoint ({LATEST} is missing)")
    raise CheckpointError(f"there is no checkpoint {path}")


def _find(path: Path) -> Path | None:
    for candidate in (path, path / LATEST, path / "checkpoints" / LATEST):
        target = pointed_to(candidate)
        if target is None and candidate.is_file():
            return candidate
        if target is not None and target.is_file():
            return target
        if target is not None:
            raise CheckpointError(
                f"{candidate} points to {target.name}, which does not exist; choose "
                "another checkpoint in that folder"
            )
    for folder in (path, path / "checkpoints"):  # copied without symbolic links
        if saved := sorted(folder.glob("step-*.safetensors")):
            return saved[-1]
    return None


def load(path: str | Path) -> Checkpoint:
    """Opens a checkpoint and reads everything except weights and momentum.

    Args:
        path: see `find`.

    Raises:
        CheckpointError: the file is missing, damaged, or not a checkpoint of alexnet-native.
    """
    file = TensorFile(find(path))
    if file.metadata.get("format") != FORMAT:
        found = file.metadata.get("format", "none")
        raise CheckpointError(
            f"{file.path} is not a checkpoint of alexnet-native that this version can read "
            f"(format: {found}; expected: {FORMAT})"
        )
    try:
        network = json.loads(file.metadata["network"])
        return Checkpoint(
            file=file,
            description=Description.from_toml(file.metadata["description"]),
            seed=int(network["seed"]),
            precision=str(network["precision"]),
            step=int(network["step"]),
            class_names=tuple(network["class_names"]) if network["class_names"] else None,
            preprocess=_preprocess(file, network.get("preprocess")),
            config=file.metadata["config"],
            progress=json.loads(file.metadata["progress"]),
            followed=_followed(file.metadata.get("recipe")),
        )
    except CheckpointError:
        raise
    except (
        AttributeError, KeyError, OverflowError, RecursionError, TypeError, ValueError, UserError
    ) as error:  # fmt: skip
        raise CheckpointError(f"checkpoint {file.path} is damaged: {error!r}") from error


def _followed(text: str | None) -> FollowedRecipe | None:
    return FollowedRecipe.from_json(json.loads(text)) if text else None


def _preprocess(file: TensorFile, settings: Mapping[str, Any] | None) -> Preprocess | None:
    if settings is None:
        return None
    statistics = Statistics(**{name: file.read(f"preprocess/{name}") for name in _STATISTICS})
    height, width = settings["crop"]
    return Preprocess(
        statistics=statistics,
        crop=(int(height), int(width)),
        mean=settings["mean"],
        scale=float(settings["scale"]),
    )


def restore(net: SavedNet, saved: Checkpoint) -> None:
    """Sets weights, momentum, step, class names and preprocessing of a network.

    Raises:
        CheckpointError: the network of the checkpoint is different (the message names the first
            difference, and `net` is unchanged), or a tensor is damaged.
    """
    _require_same_network(net, saved.file, saved.description)
    dtype = "float64" if net.precision == "fp64" else "float32"
    for kind, name in _stored(net):
        net.native.set(name, kind, saved.file.read(f"{kind}/{name}").astype(dtype, copy=False))
    net.step = saved.step
    net.class_names = saved.class_names
    net.preprocess = saved.preprocess


def _require_same_network(net: SavedNet, file: TensorFile, saved: Description) -> None:
    """Compares names and shapes of the parameters, then the attributes of the layers.

    Args:
        net: the network.
        file: the checkpoint's tensors.
        saved: the checkpoint's description.

    Raises:
        CheckpointError: the networks differ; the message names the first difference.
    """
    # The conversion to TOML and back makes lists and tuples, integers and floats comparable.
    here = Description.from_toml(net.description.to_toml())
    names = f"network {here.name}"
    if here.name != saved.name:
        names = f"network {saved.name}, the current network is {here.name}"
    for difference in chain(_parameter_differences(net, file), _layer_differences(here, saved)):
        raise CheckpointError(
            f"checkpoint {file.path} does not fit the current network: it holds {names}: "
            f"{difference}"
        )


def _parameter_differences(net: SavedNet, file: TensorFile) -> Iterator[str]:
    here = {name: tuple(net.native.param_shape(name)) for name in net.params}
    names = [name.removeprefix("value/") for name in file.names if name.startswith("value/")]
    there = {name: file.shape(f"value/{name}") for name in names}
    for name, shape in here.items():
        if name not in there:
            yield f"the checkpoint has no {name}"
        elif there[name] != shape:
            yield f"{name} is {_times(there[name])} in the checkpoint, {_times(shape)} here"
    for name in [name for name in there if name not in here]:
        yield f"the checkpoint has {name}, the current network does not"


def _layer_differences(here: Description, there: Description) -> Iterator[str]:
    for mine, theirs in zip(here.layers, there.layers, strict=False):
        for attribute in sorted({*mine, *theirs}):
            if mine.get(attribute) != theirs.get(attribute):
                yield (
                    f"layer {theirs['name']} has {attribute} = {theirs.get(attribute)!r} in the "
                    f"checkpoint, {mine.get(attribute)!r} here"
                )
    if len(here.layers) != len(there.layers):
        yield f"there are {len(there.layers)} layers in the checkpoint, {len(here.layers)} here"
    if here.input_shape != there.input_shape:
        yield (
            f"the input is {_times(there.input_shape)} in the checkpoint, "
            f"{_times(here.input_shape)} here"
        )


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
