"""The class BaseNet: training steps, predictions, parameters and checkpoints of a network."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alexnet_native import _core, checkpoint
from alexnet_native.data.batches import RawImages, TrainBatch
from alexnet_native.data.preprocess import Preprocess
from alexnet_native.errors import ConfigError, DataError, ModelError
from alexnet_native.models import Description, describe
from alexnet_native.net.arguments import (
    choice,
    device_names,
    file_path,
    integer,
    names,
    number,
)
from alexnet_native.net.batch import (
    as_batch,
    as_labels,
    as_views,
    checked_images,
    in_parts,
    neutral_preprocess,
)
from alexnet_native.net.devices import (
    COMMUNICATORS,
    PRECISIONS,
    device_text,
    native_network,
)
from alexnet_native.net.forked import watch
from alexnet_native.net.metrics import Evaluation, Progress, Sums, batch_sums
from alexnet_native.net.nan_check import diverged, first_nonfinite
from alexnet_native.net.parameter_groups import rates
from alexnet_native.net.params import Params

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["BaseNet"]


class BaseNet:
    """A network on one or more devices; `alexnet_native.Net` adds `fit` and `describe`.

    Images are either uint8 RGB (N, H, W, C) or floats (N, C, H, W). uint8 images are cropped at the
    centre to the size of the network's input, and the mean of `preprocess` is subtracted. Float
    images must have the size of the input; they are not preprocessed, and not copied if they are
    contiguous. Arrays of :func:`pinned_empty` are uploaded to a GPU without a copy on the host.

    Calls release the GIL while they compute. Calls on one Net from several threads run one after
    the other; different Nets are independent. Direct calls on `native` are not synchronized.

    In a forked child process, a Net of the parent raises UnavailableError: make or load one in the
    child. A Net cannot be pickled or copied: use `save` and `load`.

    Args:
        model: a name ("alexnet"), the path of a TOML file, or a Description.
        classes: number of classes (default: that of the description).
        devices: one device, or two for the towers of a two-tower network: ("cpu:0", "cpu:1"). With
            replicas, the devices of each replica in turn.
        seed: seed of the initial weights and of the dropout masks.
        precision: "fp32", "tf32", "bf16" (docs/numerics.md), or "fp64" for gradient checks.
        threads: total number of CPU threads; 0 uses all that are available to the process.
        replicas: number of copies of the network that share every batch (docs/distributed.md).
        communicator: sums the gradients of the replicas: "built-in", or "nccl" between GPUs.
        options: options of the named network, for example ``activation="tanh"`` of figure1.

    Attributes:
        native: the network of the C++ core.
        description: the layers from which the network was built.
        params: the parameters, a mapping from names to arrays.
        step: number of updates; selects the dropout masks.
        preprocess: preprocessing of uint8 images; None subtracts mid-grey (128).
        class_names: names of the classes, or None.

    Raises:
        ModelError: the description is invalid; the message names the layer and the field.
        UnavailableError: a device or the communicator is not available on this machine.
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
        if classes is not None:
            classes = integer("classes", classes, 1, error=ModelError)
        self.description = describe(model, classes=classes, **options)
        self.devices = device_names(devices)
        self.seed = integer("seed", seed, 0, 2**64 - 1, error=ModelError)
        self.precision = choice("precision", precision, PRECISIONS, core=True)
        self.threads = integer("threads", threads, 0, error=ModelError)
        self.replicas = integer("replicas", replicas, 0, error=ModelError)  # the core refuses 0
        self.native = native_network(
            self.description,
            devices=self.devices,
            replicas=self.replicas,
            seed=self.seed,
            precision=self.precision,
            threads=self.threads,
            communicator=choice("communicator", communicator, COMMUNICATORS),
        )
        self._dtype = np.float64 if precision == "fp64" else np.float32
        self.params = Params(self.native, self._dtype)
        self.step = 0
        self.preprocess: Preprocess | None = None
        self.class_names: tuple[str, ...] | None = None
        self._lock = threading.RLock()
        self._waiting: deque[Progress] = deque()  # steps whose results have not been read
        self._mean: NDArray[np.float32] | None = None  # subtracted on the devices
        self._lr = 0.0
        watch(self)

    def replace_native(self, native: _core.Network) -> None:
        """Called in a forked child, where this network cannot be used (`net.forked`)."""
        self.native = native
        self.params.replace_native(native)
        self._lock = threading.RLock()
        self._waiting.clear()

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Refuses pickle, copy and deepcopy.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            "a Net cannot be pickled or copied, because its weights are in the native core: write "
            "it to a file with net.save(path), and read it with Net.load(path), also in another "
            "process"
        )

    @property
    def classes(self) -> int:
        return self.description.classes

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height, width."""
        return self.description.input_shape

    @property
    def steps_ahead(self) -> int:
        """Number of further steps to begin before a result is read, for the best speed."""
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
            images: see the class; or the output of a loader: images to be augmented on the
                device, or a whole batch with its labels.
            labels: (N,) integers in [0, classes).
            lr, momentum, weight_decay, bias_lr, frozen: see `set_rates`. Without `lr`, the rates of
                the last call of `set_rates` apply.
            parts: number of parts in which the batch is computed, to save memory; the gradient is
                that of the whole batch.
            wait: False returns before a GPU has computed the step, so that the caller can prepare
                the next one; read the result after the next step has begun. At most two steps may
                be pending. Do not write to arrays of `pinned_empty` before the result has been
                read. The update is applied even if the loss is not finite. On a CPU, `wait` has no
                effect.

        Returns:
            The mean loss and the number of correct images, before the update.

        Raises:
            ConfigError: a number is out of range.
            DataError: the images or labels do not fit the network.
            DivergedError: the loss is not finite; nothing has been updated.
        """
        parts = integer("parts", parts, 1)
        given, targets = (
            (images.images, images.labels) if isinstance(images, TrainBatch) else (images, labels)
        )
        with self._lock:
            if lr is not None:
                self.set_rates(
                    lr, bias_lr=bias_lr, momentum=momentum, weight_decay=weight_decay, frozen=frozen
                )
            step = integer("step", self.step, 0, 2**63 - 1)
            overlap = not wait and self.native.overlaps
            batch = self._native_batch(given, targets)
            with self._dropping_lost_steps():
                self.native.begin_step(batch, step=step, parts=parts, overlap=overlap)
            progress = Progress(step + 1, self._read)
            self._waiting.append(progress)
            if not overlap:
                self._read(progress, given)
            self.step = step + 1
            return progress

    def _read(self, progress: Progress, images: ArrayLike | RawImages | None = None) -> Sums:
        """Reads the results of all pending steps up to `progress`, in order."""
        with self._lock:
            while any(progress is step for step in self._waiting):
                with self._dropping_lost_steps():
                    result = self.native.next_result()
                self._waiting.popleft().complete(result)
            if progress.result is None:
                raise _core.DeviceError(
                    f"the result of step {progress.step} was lost when a later call failed"
                )
            sums, updated = progress.result
            if not math.isfinite(sums.loss):
                batch = None if updated or images is None else self._input_of_step(images)
                raise diverged(self.native, batch, step=progress.step, lr=self._lr, updated=updated)
            return sums

    @contextmanager
    def _dropping_lost_steps(self) -> Iterator[None]:
        """After an error in the core, forgets the pending steps that the core has dropped."""
        try:
            yield
        except BaseException:
            while len(self._waiting) > self.native.waiting_steps:
                self._waiting.popleft()
            raise

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
        """Sets the learning rate, momentum and weight decay of each parameter for later updates.

        The multipliers and weight decays in the description of a layer apply too.

        Args:
            lr: learning rate of the weights.
            bias_lr: learning rate of the biases (default: `lr`).
            momentum: momentum of all parameters.
            weight_decay: weight decay of the weights, unless their layer sets its own.
            frozen: names of layers that are not updated.
            fixed: learning rates by name of the parameter; multipliers do not apply to them.

        Raises:
            ConfigError: a number is negative or not finite, or the momentum is above 1.
            ModelError: a layer in `frozen` or a parameter in `fixed` does not exist.
        """
        lr = number("lr", lr)
        bias_lr = lr if bias_lr is None else number("bias_lr", bias_lr)
        momentum = number("momentum", momentum, most=1.0)
        frozen = names("frozen", frozen, example='["conv1"]')
        if fixed is not None and not isinstance(fixed, Mapping):
            raise ConfigError(f"fixed is {fixed!r}; it must be a mapping from parameters to rates")
        found = rates(
            self.native.param_names(),
            self.description.rules(),
            lr=lr,
            bias_lr=bias_lr,
            weight_decay=number("weight_decay", weight_decay),
            frozen=frozen,
            fixed={
                name: number(f"the rate of {name}", rate) for name, rate in (fixed or {}).items()
            },
        )
        with self._lock:
            self._lr = lr
            for name, (rate, decay) in found.items():
                self.native.set_update(name, rate, momentum, decay)

    def predict(self, images: ArrayLike, *, views: int = 1) -> NDArray[np.floating[Any]]:
        """Returns class probabilities, (N, classes), averaged over the views.

        Args:
            images: see the class.
            views: 1, or for uint8 images 10: corners and centre, and their mirror images.

        Raises:
            DataError: the images do not fit the network.
        """
        views = as_views(views)
        parts = []
        for part in in_parts(checked_images(images, self.input_shape), views):
            with self._lock:
                p = self.native.predict(self._batch(part, views))
            parts.append(p.reshape(len(part), views, -1).mean(axis=1, dtype=p.dtype))
        return np.concatenate(parts)

    def evaluate(self, images: ArrayLike, labels: ArrayLike, views: int = 1) -> Evaluation:
        """Returns loss, top-1 and top-5 error of the probabilities that `predict` returns.

        Args:
            images, views: see `predict`.
            labels: (N,) integers in [0, classes).

        Raises:
            DataError: the images or labels do not fit the network.
        """
        return self.measure(images, labels, views).evaluation(as_views(views))

    def measure(self, images: ArrayLike, labels: ArrayLike, views: int = 1) -> Sums:
        """Like `evaluate`, but returns sums, which can be added over several calls."""
        views = as_views(views)
        array = checked_images(images, self.input_shape)
        targets = as_labels(labels, len(array), self.classes)
        total = Sums()
        for part in in_parts(array, views):
            own = targets[total.images : total.images + len(part)]
            if views == 1:
                with self._lock:
                    total.add(self.native.evaluate(self._batch(part), own))
            else:
                total.add(batch_sums(self.predict(part, views=views), own))
        return total

    def features(self, images: ArrayLike, layer: str) -> NDArray[np.floating[Any]]:
        """Returns the output of a layer in inference mode, (N, C, H, W).

        Raises:
            ModelError: there is no such layer.
        """
        names = self.native.layer_names()
        if layer not in names:
            raise ModelError(f"there is no layer {layer!r}; the layers are {', '.join(names)}")
        parts = []
        for part in in_parts(checked_images(images, self.input_shape)):
            with self._lock:
                parts.append(self.native.features(self._batch(part), layer))
        return np.concatenate(parts)

    def find_nonfinite(self, images: ArrayLike | None = None) -> str | None:
        """Returns the first layer with parameters or outputs that are not finite.

        Args:
            images: images for which the outputs are computed; None checks the parameters only.

        Returns:
            The layer's name, "data" if the images are not finite, or None.
        """
        batch = None if images is None else self._batch(images)
        with self._lock:
            return first_nonfinite(self.native, batch)

    def save(self, path: str | Path) -> None:
        """Writes weights, momentum, step, description and preprocessing to a checkpoint file.

        Raises:
            OSError: full disk, no permission, no such folder; an existing file is unchanged.
        """
        with self._lock:
            checkpoint.save(file_path(path), self)

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
        """Builds the network of a checkpoint.

        Args:
            path: a checkpoint, ``checkpoints/latest``, a checkpoints folder or a run folder.
            devices, threads, replicas: see the class.
            precision: see the class (default: that of the checkpoint, but fp32 instead of tf32).

        Raises:
            CheckpointError: the file is missing, damaged, or not a checkpoint.
        """
        saved = checkpoint.load(file_path(path))
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
        """Sets the mean that is subtracted from images augmented on the device.

        Args:
            mean: (C, H, W), the size of the records, or (C, h, w), the size of the crops; or None.
        """
        with self._lock:
            self._mean = mean
            self.native.set_mean(mean)

    def _native_batch(self, images: ArrayLike | RawImages, labels: ArrayLike | None) -> _core.Batch:
        if labels is None:
            raise DataError("labels are missing: give one label for each image")
        if isinstance(images, RawImages):
            return images.native(as_labels(labels, len(images.records), self.classes))
        batch = self._batch(images)
        return _core.Batch(batch, as_labels(labels, len(batch), self.classes))

    def _input_of_step(self, images: ArrayLike | RawImages) -> NDArray[np.floating[Any]]:
        """Returns the images of a step as the first layer reads them."""
        if isinstance(images, RawImages):
            _, *crop = self.input_shape
            images = images.augmented((crop[0], crop[1]), self._mean)
        return self._batch(images)

    def _batch(self, images: ArrayLike, views: int = 1) -> NDArray[np.floating[Any]]:
        preprocess = self.preprocess or neutral_preprocess(
            images, self.input_shape, self.description.default_config["scale"]
        )
        return as_batch(images, self.input_shape, self._dtype, preprocess, views)
