"""The native core, as cpp/bindings offers it. Wrapped by alexnet_native.net; use Net.

Images are float32 (float64 with precision "fp64"), (N, C, H, W), C-contiguous, as the network takes
them, and so are parameters and results, also with precision "bf16"; labels are int32 (N,). Calls
release the GIL while they compute. One Network must not be used from two threads at once; several
Networks may.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from alexnet_native._profile import Cost as Cost
from alexnet_native._profile import Lane as Lane
from alexnet_native._profile import PeakRates as PeakRates
from alexnet_native._profile import Task as Task

__version__: str

class AlexnetError(RuntimeError): ...
class DeviceError(AlexnetError): ...
class UnavailableError(AlexnetError): ...

class LayerInfo(TypedDict):
    name: str  # "conv1", or "conv1/0" and "conv1/1" for the halves of a split layer
    type: str
    device: str
    output: tuple[int, int, int]  # channels, height, width
    parameters: int
    multiply_adds: int  # forward, one image
    memory_bytes: int  # activations and saved values, whole batch
    engine: str  # "" where there is no choice
    weight_std: float  # of the initial weights; 0 without weights

class CrossEdge(TypedDict):
    value: str  # the copied activation
    source: str
    target: str
    forward_bytes: int  # per step
    backward_bytes: int

class MemoryInfo(TypedDict):
    device: str
    parameter_bytes: int  # weights; in training also momentum, and gradients that accumulate
    activation_bytes: int
    reduction_bytes: int  # what the sums of gradients over replicas take

class Reduction(TypedDict):
    replicas: int
    buckets: int
    bytes: int  # of the gradients that are summed in each step
    communicator: str  # "built-in", "NCCL 2.28.9"; empty for one replica

# With replicas: layers and sums of the first one, edges and memory of all.
class Plan(TypedDict):
    layers: list[LayerInfo]
    cross_edges: list[CrossEdge]
    memory: list[MemoryInfo]
    reduction: Reduction
    parameters: int
    multiply_adds: int  # forward, one image

class StepResult:
    loss: float  # sum over the images, nats
    top1: float  # sum of top-1 credits: 1 for a hit, 1/ties where ties contain the label
    top5: float
    images: int

Kind = Literal["value", "momentum", "gradient"]
Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]

class Network:
    def __init__(
        self,
        layers: Sequence[Mapping[str, Any]],
        input_shape: tuple[int, int, int],  # channels, height, width
        *,
        devices: Sequence[str] = ("cpu:0",),  # two for each replica: the towers of its network
        seed: int = 0,
        precision: str = "fp32",  # or "tf32" (GPUs), "bf16", "fp64"
        threads: int = 0,  # CPU threads in all; 0 = those this process may use
        fuse: bool = True,  # ReLU and normalisation inside a neighbour
        replicas: int = 1,  # that share each batch, on equal parts of the devices
        communicator: str = "built-in",  # or "nccl": sums the gradients of replicas on GPUs
    ) -> None: ...
    @property
    def devices(self) -> list[str]: ...  # as given
    @property
    def classes(self) -> int: ...
    def plan(self, batch: int, training: bool = True, accumulates: bool = False) -> Plan: ...
    def program(self, batch: int, training: bool = True) -> list[str]: ...
    def layer_names(self) -> list[str]: ...  # of the description
    # Parameters by "layer.weight" and "layer.bias", whole also where they are split over devices.
    def param_names(self) -> list[str]: ...
    # State of layers, "bn1.running_mean": what training changes without a gradient. It has a
    # "value" only.
    def state_names(self) -> list[str]: ...
    def param_shape(self, name: str) -> tuple[int, ...]: ...
    def get(self, name: str, kind: Kind = "value") -> Floats: ...  # a copy
    def set(self, name: str, kind: Kind, value: Floats) -> None: ...
    # The rule of update(): v <- momentum v - decay lr w - lr g, w <- w + v. With lr 0 nothing
    # moves, and no gradient is computed.
    def set_update(self, name: str, lr: float, momentum: float, decay: float) -> None: ...
    # Adds gradients of sum(loss) / total. `step` and `first_image` select the random draws, so that
    # parts of a batch with the same `step`, `total` and their own `first_image` equal the whole.
    def forward_backward(
        self, images: Floats, labels: Ints, *, step: int, first_image: int = 0, total: int = 0
    ) -> StepResult: ...  # total 0: the images in this call
    def forward_backward_raw(
        self, raw: dict[str, Any], labels: Ints, step: int, first: int, total: int
    ) -> StepResult: ...  # on the records of a LoaderBatch, which each device augments
    def set_mean(self, mean: NDArray[np.float32] | None) -> None: ...  # as augment() takes it
    def update(self) -> None: ...  # applies the rules and zeroes the gradients
    def forget_state_changes(self) -> None: ...  # that the next update() would apply
    # Both, where the loss is finite.
    def train_step(self, images: Floats, labels: Ints, *, step: int) -> StepResult: ...
    def train_step_raw(self, raw: dict[str, Any], labels: Ints, step: int) -> StepResult: ...
    # The same without waiting, of one replica: the update comes with the part that ends at `total`.
    # The arrays are copied, except for those in memory that the device reaches (host_memory(), a
    # Loader's batches): these are kept, and must not be written to, until the step's result is
    # read. At most two steps, or parts, wait.
    def enqueue_step(
        self, images: Floats, labels: Ints, *, step: int, first_image: int = 0, total: int = 0
    ) -> None: ...
    def enqueue_step_raw(
        self, raw: dict[str, Any], labels: Ints, step: int, first: int, total: int
    ) -> None: ...
    def next_result(self) -> StepResult: ...  # of the oldest; blocks
    @property
    def waiting_steps(self) -> int: ...
    @property
    def overlaps(self) -> bool: ...  # whether enqueue_step() is worth its copies: on a GPU
    def predict(self, images: Floats) -> Floats: ...
    def evaluate(self, images: Floats, labels: Ints) -> StepResult: ...
    def features(self, images: Floats, layer: str) -> Floats: ...  # (N, C, H, W), test mode
    # Records every task from now on, or no more; take_profile() hands each record out once.
    def profile(self, on: bool) -> None: ...
    @property
    def is_profiled(self) -> bool: ...
    def take_profile(self) -> list[Lane]: ...  # of each device, then of its sums of gradients
    def costs(self, batch: int, training: bool = True) -> list[Cost]: ...

class LayerRunner:
    """One layer alone, for tests: forward and backward on given arrays."""

    def __init__(
        self,
        type: str,
        attrs: Mapping[str, Any],
        input_shapes: Sequence[tuple[int, int, int, int]],
        *,
        device: str = "cpu:0",
        precision: str = "fp32",
        name: str = "layer",
        threads: int = 0,
        reads_image: bool = False,  # as the first layer of a network: backward() gives no d_input
    ) -> None: ...
    @property
    def engine(self) -> str: ...
    def param_shapes(self) -> dict[str, tuple[int, int, int, int]]: ...
    def state_shapes(self) -> dict[str, tuple[int, int, int, int]]: ...
    def forward(
        self,
        inputs: Sequence[Floats],
        params: Mapping[str, Floats] = ...,
        *,
        state: Mapping[str, Floats] = ...,
        training: bool = True,
        seed: int = 0,
        step: int = 0,
        first_image: int = 0,
        labels: Ints | None = None,
        loss_scale: float = 1.0,
    ) -> list[Floats]: ...
    # After forward(): (gradients by the inputs, gradients by the parameters).
    def backward(self, d_outputs: Sequence[Floats]) -> tuple[list[Floats], dict[str, Floats]]: ...
    # After forward(): as the update of the step leaves it.
    def state(self) -> dict[str, Floats]: ...
    def saved(self, index: int) -> Floats: ...

def devices() -> list[dict[str, str]]: ...  # {"name", "description"}, those that can be used
def unavailable_backends() -> list[dict[str, str]]: ...  # {"name", "reason"}
def communicators() -> list[dict[str, str]]: ...  # beside "built-in": {"name", "title", "missing"}
def available_threads() -> int: ...
def host_memory(bytes: int, device: str) -> Bytes: ...  # see net/pinned.py
def cpu_kernels() -> str: ...  # the instruction set in use: "avx512", "avx2", "generic"
def measure_peak_rates(device: str = "cpu:0", threads: int = 0) -> PeakRates: ...  # about a second
def site_of(name: str) -> int: ...
def philox_bits(seed: int, site: int, step: int, first: int, count: int) -> NDArray[np.uint32]: ...

# out[n] = scale * (crop of images[n] at offsets[n], mirrored where mirror[n], - mean + color[n]).
# images uint8 (N, H, W, C); out float32 (N, C, h, w); offsets int32 (N, 2): top, left; mirror uint8
# (N,); mean float32 (C, h, w): the same for every crop, or (C, H, W): the part under the crop, or
# None; color float32 (N, C) or None. Runs on `threads` threads; releases the GIL.
def augment(
    images: Bytes,
    out: NDArray[np.float32],
    offsets: Ints,
    mirror: Bytes,
    mean: NDArray[np.float32] | None = None,
    color: NDArray[np.float32] | None = None,
    scale: float = 1.0,
    threads: int = 1,
) -> None: ...

# Scales the largest central part of image, uint8 (H, W, 3), with the proportions of out, to out,
# uint8 (h, w, 3): down with a triangle filter, up with a cubic. The same bytes on every machine.
# Releases the GIL.
def resize_cover(image: Bytes, out: Bytes) -> None: ...

# sums (H, W, C) += images (N, H, W, C) over N; products (C, C) += pixel by pixel products of the
# channels. Releases the GIL.
def add_moments(images: Bytes, sums: NDArray[np.uint64], products: NDArray[np.uint64]) -> None: ...

class Records: ...  # where a Loader reads pixels from, uint8 (H, W, C)

def records_in_memory(images: Bytes) -> Records: ...  # (N, H, W, C), borrowed
def records_in_files(  # `each` one after the other in every file but the last
    shape: tuple[int, int, int], count: int, files: Sequence[str], each: int
) -> Records: ...
def permutation(seed: int, site: int, step: int, count: int) -> NDArray[np.int64]: ...

class ImageDraws:
    """What is drawn for an image at a position of an epoch; data/augment.py explains the words."""

    def __init__(
        self,
        *,
        seed: int,
        channels: int,
        crop: tuple[int, int],
        places: tuple[int, int],  # that a window is drawn from, down and across
        first: tuple[int, int],  # the first of them
        mirror: bool,
        group: int,
        axes: NDArray[np.float64] | None,  # (C, C); None: no color noise
        color_epochs: int,  # that have color noise
        scale: float,
        color_scale: float,  # instead of scale, of epochs with color noise
    ) -> None: ...
    def draw(  # offsets (count, 2): top, left; mirror (count,); color (count, C) or None
        self, epoch: int, first: int, count: int
    ) -> tuple[Ints, Bytes, NDArray[np.float32] | None]: ...

class LoaderBatch(TypedDict):  # lies in a buffer of the loader, which is used again afterwards
    images: NDArray[np.float32] | None  # (N, C, h, w); None with on_device
    records: Bytes | None  # (N, H, W, C), with on_device
    labels: Ints
    offsets: Ints
    mirror: Bytes
    color: NDArray[np.float32] | None
    scale: float
    epoch: int
    first: int  # positions in the epoch, of all ranks: first to last - 1
    last: int

class LoaderMeter(TypedDict):  # since the start; times in seconds
    elapsed: float
    consumer_waited: float
    producer_waited: float
    images: int
    taken: int  # batches
    ready_at_take: int  # batches that were ready when one was asked for, summed
    buffers: int  # made so far

class Loader:
    """Makes batches ahead on threads of its own; data/loader.py wraps it."""

    def __init__(
        self,
        records: Records | None,  # None: they are made between claim() and hand_over()
        shape: tuple[int, int, int],
        labels: Ints,
        draws: ImageDraws,
        mean: NDArray[np.float32] | None,  # as augment() takes it
        *,
        batch_size: int,
        epoch: int,
        offset: int,
        threads: int,
        prefetch: int,
        rank: int,
        ranks: int,
        on_device: bool,
        device: str,
    ) -> None: ...
    def next(self) -> LoaderBatch | None: ...  # waits; None when closed or failed
    # Waits for room: indices, and where their records go.
    def claim(self) -> tuple[NDArray[np.int64], Bytes] | None: ...
    def hand_over(self) -> None: ...  # the records are there
    def fail(self) -> None: ...  # they will not be
    def meter(self) -> LoaderMeter: ...
    def close(self) -> None: ...
