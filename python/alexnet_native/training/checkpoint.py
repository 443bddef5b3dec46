"""Checkpoints: all that a network and its training need to go on, in one safetensors file.

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
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from alexnet_native import _core
from alexnet_native.data.preprocess import Preprocess
from alexnet_native.data.statistics import Statistics
from alexnet_native.errors import CheckpointError, UserError
from alexnet_native.models.description import Description
from alexnet_native.recipes import FollowedRecipe
from alexnet_native.training.same_network import require_same_network
from alexnet_native.training.tensor_file import Entry, TensorFile, write

if TYPE_CHECKING:
    from alexnet_native.net import Net

__all__ = ["FORMAT", "LATEST", "Checkpoint", "find", "load", "restore", "save"]

FORMAT = "alexnet-native checkpoint 1"
LATEST = "latest"
_STATISTICS = ("mean", "pca_std", "pca_vectors")


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
    net: Net,
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
        progress: what the training needs to go on, JSON values only.
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
        for kind, name in _tensors(net)
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


def _tensors(net: Net) -> Iterator[tuple[Literal["value", "momentum"], str]]:
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


def restore(net: Net, saved: Checkpoint) -> None:
    """Sets weights, momentum, step, class names and preprocessing of a network.

    Raises:
        CheckpointError: the checkpoint belongs to another network (names the first difference; the
            network is then unchanged), or a tensor is damaged.
    """
    require_same_network(net, saved.file, saved.description)
    dtype = "float64" if net.precision == "fp64" else "float32"
    for kind, name in _tensors(net):
        net.native.set(name, kind, saved.file.read(f"{kind}/{name}").astype(dtype, copy=False))
    net.step = saved.step
    net.class_names = saved.class_names
    net.preprocess = saved.preprocess
