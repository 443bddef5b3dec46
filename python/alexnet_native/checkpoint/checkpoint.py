"""Checkpoints: all that a network and its training need to continue, in one safetensors file.

Tensors: ``value/conv1.weight`` and ``momentum/conv1.weight`` for each parameter,
``value/bn1.running_mean`` for the state of a layer, and
``preprocess/mean``, ``preprocess/pca_std``, ``preprocess/pca_vectors`` for uint8 pictures.
Metadata: ``format``, ``description`` (TOML), ``config`` (TOML, of a training), ``network`` and
``progress`` (JSON), ``recipe`` (JSON, of a training by recipe). Nothing depends on the clock: equal
trainings write equal bytes.
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
from alexnet_native.checkpoint.safetensors_io import Entry, TensorFile, write
from alexnet_native.data.preprocess import Preprocess
from alexnet_native.data.statistics import Statistics
from alexnet_native.errors import CheckpointError, UserError
from alexnet_native.models.description import Description
from alexnet_native.recipes import FollowedRecipe

__all__ = ["FORMAT", "LATEST", "Checkpoint", "find", "load", "restore", "save"]

FORMAT = "alexnet-native checkpoint 1"
LATEST = "latest"
_STATISTICS = ("mean", "pca_std", "pca_vectors")


class SavedNet(Protocol):
    """What a checkpoint holds of a network: the attributes of `BaseNet`."""

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
    """An open checkpoint; the tensors stay in the file until `restore` reads them."""

    file: TensorFile
    description: Description
    seed: int
    precision: str
    step: int  # updates done
    class_names: tuple[str, ...] | None
    preprocess: Preprocess | None
    config: str  # TOML; empty when no training run wrote the file
    progress: Mapping[str, Any]  # of the training run; empty likewise
    followed: FollowedRecipe | None  # the recipe of the training run, if it had one

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
    """Writes the network with its momentum; the file is whole or not there.

    Args:
        path: the file; an older one is replaced.
        net: its weights, momentum, step, class names, preprocessing and description are stored.
        config: the settings of the training, as TOML.
        progress: what the training needs to continue, JSON values only.
        recipe: what the training follows and where it deviates: `FollowedRecipe.to_json`.
        engines: layer -> convolution engine in use; for the reader, never used again.

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
    write(Path(path), tensors, metadata)


def _stored(net: SavedNet) -> Iterator[tuple[Literal["value", "momentum"], str]]:
    """Kind and name of each tensor: the state of layers has no momentum."""
    for name in net.params:
        yield "value", name
    for name in net.native.param_names():
        yield "momentum", name


def find(path: str | Path) -> Path:
    """The checkpoint file meant by a file, ``checkpoints/latest``, a checkpoints or a run folder.

    Raises:
        CheckpointError: there is none.
    """
    path = Path(path)
    for place in (path, path / LATEST, path / "checkpoints" / LATEST):
        if place.is_file():
            return place.parent / place.readlink() if place.is_symlink() else place
        if place.is_symlink():
            raise CheckpointError(
                f"{place} points to {place.readlink()}, which does not exist; name another "
                "checkpoint of that folder"
            )
    if path.is_dir():
        raise CheckpointError(f"the folder {path} holds no checkpoint ({LATEST} is missing)")
    raise CheckpointError(f"there is no checkpoint {path}")


def load(path: str | Path) -> Checkpoint:
    """Opens a checkpoint and reads everything but the weights.

    Raises:
        CheckpointError: missing, damaged, or not written by this project.
    """
    file = TensorFile(find(path))
    if file.metadata.get("format") != FORMAT:
        found = file.metadata.get("format", "none")
        raise CheckpointError(
            f"{file.path} is no checkpoint that this version reads (format: {found}; "
            f"expected: {FORMAT})"
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
    except (KeyError, TypeError, ValueError, UserError) as error:
        raise CheckpointError(f"checkpoint {file.path} is damaged: {error!r}") from error


def _followed(text: str | None) -> FollowedRecipe | None:
    return FollowedRecipe.from_json(json.loads(text)) if text else None


def _preprocess(file: TensorFile, plain: Mapping[str, Any] | None) -> Preprocess | None:
    if plain is None:
        return None
    statistics = Statistics(**{name: file.read(f"preprocess/{name}") for name in _STATISTICS})
    height, width = plain["crop"]
    return Preprocess(
        statistics=statistics,
        crop=(int(height), int(width)),
        mean=plain["mean"],
        scale=float(plain["scale"]),
    )


def restore(net: SavedNet, saved: Checkpoint) -> None:
    """Sets weights, momentum, step, class names and preprocessing of a network.

    Raises:
        CheckpointError: the checkpoint belongs to another network (names the first difference; the
            network is then unchanged), or a tensor is damaged.
    """
    _require_same_network(net, saved.file, saved.description)
    dtype = "float64" if net.precision == "fp64" else "float32"
    for kind, name in _stored(net):
        net.native.set(name, kind, saved.file.read(f"{kind}/{name}").astype(dtype, copy=False))
    net.step = saved.step
    net.class_names = saved.class_names
    net.preprocess = saved.preprocess


def _require_same_network(net: SavedNet, file: TensorFile, saved: Description) -> None:
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


def _tensors(net: SavedNet, file: TensorFile) -> Iterator[str]:
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
