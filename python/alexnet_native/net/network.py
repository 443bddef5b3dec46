"""A network by name: its training step, its predictions, its parameters, its checkpoints."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alexnet_native import _core, checkpoint
from alexnet_native.data.batches import RawImages, TrainBatch
from alexnet_native.data.preprocess import Preprocess
from alexnet_native.errors import DataError, ModelError
from alexnet_native.models import Description, describe
from alexnet_native.net.batch import (
    as_batch,
    as_labels,
    checked_images,
    in_parts,
    neutral_preprocess,
)
from alexnet_native.net.devices import device_text, native_network
from alexnet_native.net.metrics import Evaluation, Progress, Sums, score
from alexnet_native.net.nan_check import diverged, first_nonfinite
from alexnet_native.net.parameter_groups import rates
from alexnet_native.net.params import Params

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["BaseNet"]


class BaseNet:
    """A network on its devices; `alexnet_native.Net` adds `fit` and `describe`.

    Images are uint8 RGB (N, H, W, C), centre-cropped to the network's input, with the mean of
    `preprocess` subtracted; or floats (N, C, H, W) of exactly the input's size, taken as they are
    and borrowed where contiguous; a GPU takes them without a copy from :func:`pinned_empty`'s.

    A call computes with the GIL released. Calls on one Net from several threads run one after the
    other; Nets are independent of each other. `native` is not guarded.

    Args:
        model: a name ("alexnet"), the path of a TOML file, or a Description.
        classes: outputs; None keeps the network's own number.
        devices: one, or two for the towers of a two-tower network: ("cpu:0", "cpu:1"); as many for
            each replica, one replica after the other.
        seed: key of the initial weights and of every dropout mask.
        precision: "fp32", "tf32", "bf16" (docs/numerics.md), or "fp64" for gradient checks.
        threads: CPU threads in all; 0 takes those that this process may use.
        replicas: copies of the network that share every batch (docs/distributed.md).
        communicator: what sums their gradients: "built-in", or "nccl" between GPUs.
        options: of the named network, as ``activation="tanh"`` of figure1.

    Attributes:
        native: the core's network. description: what it was built from. params: the parameters.
        step: updates done; it selects the dropout masks.
        preprocess: for uint8 images; None subtracts mid-grey (128).
        class_names: of the data, or None.

    Raises:
        ModelError: the description cannot be built; the message names the layer and the field.
        UnavailableError: a device or the communicator does not exist here.
    """

    def __init__(
        self,
        model: str | Path | Description,
        *,
        classes: int | None = None,
        devices: Sequence[str] | str = ("cpu:0",),
        seed: int = 0,
        precision: str = "fp32",
        threads: int = 0,
        replicas: int = 1,
        communicator: str = "built-in",
        **options: Any,
    ) -> None:
        self.description = describe(model, classes=classes, **options)
        self.devices = tuple(devices.split(",") if isinstance(devices, str) else devices)
        self.seed, self.precision, self.threads = seed, precision, threads
        self.replicas = replicas
        self.native = native_network(
            self.description,
            devices=self.devices,
            replicas=replicas,
            seed=seed,
            precision=precision,
            threads=threads,
            communicator=communicator,
        )
        self._dtype = np.float64 if precision == "fp64" else np.float32
        self.params = Params(self.native, self._dtype)
        self.step = 0
        self.preprocess: Preprocess | None = None
        self.class_names: tuple[str, ...] | None = None
        self._lock = threading.RLock()
        self._waiting: deque[Progress] = deque()  # steps whose results have not been read
        self._mean: NDArray[np.float32] | None = None  # that devices subtract
        self._lr = 0.0

    @property
    def classes(self) -> int:
        return self.description.classes

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return self.description.input_shape

    @property
    def steps_ahead(self) -> int:
        """How many steps may begin before the result of one is read, without making it slower."""
        return 1 if self.native.overlaps and not self.native.is_profiled else 0

    def train_step(
        self,
        images: ArrayLike | RawImages | TrainBatch,
        labels: ArrayLike | None = None,
        *,
        lr: float | None = None,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        bias_lr: float | None = None,
        frozen: Collection[str] = (),
        parts: int = 1,
        wait: bool = True,
    ) -> Progress:
        """Trains on one batch: v <- momentum v - weight_decay lr w - lr g, then w <- w + v.

        Args:
            images: see the class; or what a loader gives: images that the device augments, or a
                whole batch with its labels.
            labels: (N,) integers in [0, classes).
            lr, momentum, weight_decay, bias_lr, frozen: see `set_rates`. Without `lr` the rates
                that `set_rates` has set are kept.
            parts: the batch is computed in this number of parts, to save memory; the result is
                that of the whole batch.
            wait: False lets a GPU compute this step while the caller prepares the next one: read
                the result after the next step has begun. At most two steps may be waiting, arrays
                of `pinned_empty` must not be written to before the result is read, and the update
                is made even if the loss is not finite. On a CPU it makes no difference.

        Returns:
            The mean loss and the hits before the update.

        Raises:
            DataError: images or labels do not fit the network.
            DivergedError: the loss is not finite; nothing has been updated.
        """
        given, targets = (
            (images.images, images.labels) if isinstance(images, TrainBatch) else (images, labels)
        )
        with self._lock:
            if lr is not None:
                self.set_rates(
                    lr, bias_lr=bias_lr, momentum=momentum, weight_decay=weight_decay, frozen=frozen
                )
            overlap = not wait and self.native.overlaps
            batch = self._native_batch(given, targets)
            self.native.begin_step(batch, step=self.step, parts=parts, overlap=overlap)
            progress = Progress(self.step + 1, self._read)
            self._waiting.append(progress)
            if not overlap:
                self._read(progress, given)
            self.step += 1
            return progress

    def _read(self, progress: Progress, images: ArrayLike | RawImages | None = None) -> Sums:
        """Reads the results of all steps up to that of `progress`, in their order."""
        with self._lock:
            while any(progress is step for step in self._waiting):
                result = self.native.next_result()
                self._waiting.popleft().complete(result)
            sums, updated = progress.result
            if not math.isfinite(sums.loss):
                batch = None if updated or images is None else self._diagnosed(images)
                raise diverged(self.native, batch, step=progress.step, lr=self._lr, updated=updated)
            return sums

    def set_rates(
        self,
        lr: float,
        *,
        bias_lr: float | None = None,
        momentum: float = 0.9,
        weight_decay: float = 5e-4,
        frozen: Collection[str] = (),
        fixed: Mapping[str, float] | None = None,
    ) -> None:
        """Sets the rule of the updates to come, with each layer's multipliers and own decays.

        Args:
            lr: learning rate.
            bias_lr: of the biases; None: `lr`.
            momentum: of every parameter.
            weight_decay: of weights whose layer has no decay of its own.
            frozen: layers whose parameters stay.
            fixed: rates of single parameters, which no multiplier changes.

        Raises:
            ModelError: a frozen layer or a fixed parameter does not exist.
        """
        found = rates(
            self.native.param_names(),
            self.description.rules(),
            lr=lr,
            bias_lr=lr if bias_lr is None else bias_lr,
            weight_decay=weight_decay,
            frozen=frozen,
            fixed=fixed or {},
        )
        with self._lock:
            self._lr = lr
            for name, (rate, decay) in found.items():
                self.native.set_update(name, rate, momentum, decay)

    def predict(self, images: ArrayLike, *, views: int = 1) -> NDArray[np.floating[Any]]:
        """Class probabilities, (N, classes), averaged over the views.

        Args:
            images: see the class.
            views: 1, or 10 of each uint8 image: corners and centre, and their mirror images.
        """
        parts = []
        for part in in_parts(checked_images(images, self.input_shape), views):
            with self._lock:
                scores = self.native.predict(self._batch(part, views))
            parts.append(scores.reshape(len(part), views, -1).mean(axis=1, dtype=scores.dtype))
        return np.concatenate(parts)

    def evaluate(self, images: ArrayLike, labels: ArrayLike, views: int = 1) -> Evaluation:
        """Loss, top-1 and top-5 error of the averaged probabilities.

        Raises:
            DataError: images or labels do not fit the network.
        """
        return self.measure(images, labels, views).evaluation(views)

    def measure(self, images: ArrayLike, labels: ArrayLike, views: int = 1) -> Sums:
        """The sums whose means `evaluate` gives; those of several parts can be added."""
        array = checked_images(images, self.input_shape)
        targets = as_labels(labels, len(array), self.classes)
        total = Sums()
        for part in in_parts(array, views):
            own = targets[total.images : total.images + len(part)]
            if views == 1:
                with self._lock:
                    total.add(self.native.evaluate(self._batch(part), own))
            else:
                total.add(score(self.predict(part, views=views), own))
        return total

    def features(self, images: ArrayLike, layer: str) -> NDArray[np.floating[Any]]:
        """The output of a layer in inference mode, (N, C, H, W).

        Raises:
            ModelError: there is no such layer.
        """
        names = self.native.layer_names()
        if layer not in names:
            raise ModelError(f"there is no layer {layer!r}; there is {', '.join(names)}")
        parts = []
        for part in in_parts(checked_images(images, self.input_shape)):
            with self._lock:
                parts.append(self.native.features(self._batch(part), layer))
        return np.concatenate(parts)

    def find_nonfinite(self, images: ArrayLike | None = None) -> str | None:
        """The first layer whose parameters, or outputs for `images`, are not finite; or "data"."""
        batch = None if images is None else self._batch(images)
        with self._lock:
            return first_nonfinite(self.native, batch)

    def save(self, path: str | Path) -> None:
        """Writes weights, momentum, step, description and preprocessing as one checkpoint.

        Raises:
            OSError: full disk, no permission, no such folder; an older file stays whole.
        """
        with self._lock:
            checkpoint.save(path, self)

    @classmethod
    def load(
        cls,
        path: str | Path,
        *,
        devices: Sequence[str] | str = ("cpu:0",),
        threads: int = 0,
        precision: str | None = None,
        replicas: int = 1,
    ) -> Self:
        """Builds the network of a checkpoint, in the precision it was saved in (tf32: in fp32).

        Raises:
            CheckpointError: the file is missing, damaged, or no checkpoint.
        """
        saved = checkpoint.load(path)
        net = cls(
            saved.description,
            devices=devices,
            seed=saved.seed,
            precision=precision or ("fp32" if saved.precision == "tf32" else saved.precision),
            threads=threads,
            replicas=replicas,
        )
        checkpoint.restore(net, saved)
        return net

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.input_shape))
        where = device_text(self.devices, self.replicas)
        return f"<Net {self.description.name}: {size} to {self.classes} classes, on {where}>"

    def set_mean(self, mean: NDArray[np.float32] | None) -> None:
        """Sets what the devices subtract where they augment: (C, H, W) or (C, h, w), or None."""
        with self._lock:
            self._mean = mean
            self.native.set_mean(mean)

    def _native_batch(self, images: ArrayLike | RawImages, labels: ArrayLike | None) -> _core.Batch:
        if labels is None:
            raise DataError("labels are missing: give one for each image")
        if isinstance(images, RawImages):
            return images.native(as_labels(labels, len(images.records), self.classes))
        batch = self._batch(images)
        return _core.Batch(batch, as_labels(labels, len(batch), self.classes))

    def _diagnosed(self, images: ArrayLike | RawImages) -> NDArray[np.floating[Any]]:
        """The images of a step, as the first layer reads them."""
        if isinstance(images, RawImages):
            _, *crop = self.input_shape
            images = images.augmented((crop[0], crop[1]), self._mean)
        return self._batch(images)

    def _batch(self, images: ArrayLike, views: int = 1) -> NDArray[np.floating[Any]]:
        preprocess = self.preprocess or neutral_preprocess(
            images, self.input_shape, self.description.default_config["scale"]
        )
        return as_batch(images, self.input_shape, self._dtype, preprocess, views)
