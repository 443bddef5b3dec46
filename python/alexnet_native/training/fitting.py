"""Training of a network that exists already: ``Net.fit``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alexnet_native.data import open_data
from alexnet_native.data.augment import check_crop
from alexnet_native.errors import ConfigError
from alexnet_native.net import Net
from alexnet_native.training.defaults import resolve
from alexnet_native.training.progress import Silent, reporter
from alexnet_native.training.run_folder import RunFolder
from alexnet_native.training.setup import Setup, class_names
from alexnet_native.training.start import begin
from alexnet_native.training.trainer import Outcome

__all__ = ["fit"]

_OF_THE_NET = (
    "net", "classes", "activation", "engine", "init", "precision", "devices", "crop", "data",
)  # fmt: skip


def fit(net: Net, data: Any, *, out: str | Path | None = None, **settings: Any) -> Outcome:
    """Trains a network that exists already; `Net.fit`.

    Args:
        net: trained in place, from its present weights; gets the data's preprocessing and classes.
        data: what `open_data` takes: a name or path, a Dataset, or (images, labels[, val_images,
            val_labels]) with uint8 images (N, H, W, C).
        out: a folder for logs and checkpoints; None writes nothing.
        settings: those of `TrainConfig` that do not belong to the network; also ``verbose=False``
            and ``overwrite=True``.

    Raises:
        UserError: a setting or the data does not fit.
        DivergedError: the loss is not finite.
    """
    verbose, overwrite = settings.pop("verbose", True), settings.pop("overwrite", False)
    for name in _OF_THE_NET:
        if name in settings:
            raise ConfigError(f"{name} is fixed when a Net exists; give it to Net, or leave it out")
    opened = open_data(data)
    if len(opened.classes) > net.classes:
        raise ConfigError(
            f"{opened.name} has {len(opened.classes)} classes, the network {net.classes}"
        )
    fixed = {"precision": net.precision, "devices": net.devices, "seed": net.seed}
    config = resolve({**fixed, **settings}, net.description, opened)
    folder = RunFolder(Path(out), config.keep) if out else None
    show = reporter() if verbose else Silent()
    check_crop(config.crop, opened.train.image_shape)
    net.class_names = class_names(config, opened)
    setup = Setup(net, opened, config, followed=None)
    return begin(setup, folder, overwrite, show).trainer.run()
