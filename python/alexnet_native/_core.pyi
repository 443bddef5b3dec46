"""The native core, defined in cpp/bindings. Use alexnet_native.Net, which wraps it.

Images are the network's input: (N, C, H, W), C-contiguous. Images, parameters and results are
float32 (also with precision "bf16"), or float64 with precision "fp64"; labels are int32 (N,). Calls
release the GIL while they compute. A Network must not be used by two threads at the same time;
different Networks may.
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
    engine: str  # "" if the layer has no engines
    weight_std: float  # standard deviation of the initial weights; 0 without weights

class CrossEdge(TypedDict):
    value: str  # the copied activation
    source: str
    target: str
    forward_bytes: int  # per step
    backward_bytes: int

class MemoryInfo(TypedDict):
    device: str
    parameter_bytes: int  # weights; in training also momentum, and accumulated gradients
    activation_bytes: int
    reduction_bytes: int  # memory used by the sums of gradients over replicas

class Reduction(TypedDict):
    replicas: int
    buckets: int
    bytes: int  # size of the gradients that are summed in each step
    communicator: str  # "built-in", "NCCL 2.28.9"; empty for one replica

# With replicas, `layers` and the totals are for the first replica, edges and memory for all.
class Plan(TypedDict):
    layers: list[LayerInfo]
    cross_edges: list[CrossEdge]
    memory: list[MemoryInfo]
    reduction: Reduction
    parameters: int
    multiply_adds: int  # forward, one image

class StepResult:
    loss: float  # sum over the images, in nats
    top1: float  # number of correct top-1 predictions; a tie of t classes counts as 1/t
    top5: float
    images: int
    updated: bool  # whether a training step updated the parameters

Kind = Literal["value", "momentum", "gradient"]
Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.int32]
Bytes = NDArray[np.uint8]

class Batch:  # images with labels; the arrays are borrowed and kept
    def __init__(self, images: Floats, labels: Ints) -> None: ...
    @staticmethod
    def of_records(  # which each device crops and augments
        records: Bytes,
        labels: Ints,
        *,
        offsets: Ints,
        mirror: Bytes,
        color: NDArray[np.float32] | None,
        scale: float,
    ) -> Batch: ...

class Network:
    def __init__(
        self,
        layers: Sequence[Mapping[str, Any]],
        input_shape: tuple[int, int, int],  # channels, height, width
        *,
        devices: Sequence[str] = ("cpu:0",),  # two for each replica: the towers of its network
        seed: int = 0,
        precision: str = "fp32",  # or "tf32" (GPUs), "bf16", "fp64"
        threads: int = 0,  # number of CPU threads; 0 = all that the process may use
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
        self, batch: Batch, *, step: int, first_image: int = 0, total: int = 0
    ) -> StepResult: ...  # total 0: the number of images of the batch
    def set_mean(self, mean: NDArray[np.float32] | None) -> None: ...  # as augment() takes it
    def update(self) -> None: ...  # applies the rules and sets the gradients to zero
    def forget_state_changes(self) -> None: ...  # that the next update() would apply
    # A training step, computed in `parts`; next_result() returns its result. At most two may wait.
    # overlap False: complete on return, and a loss that is not finite changes nothing. True: only
    # enqueued; arrays in memory that the device reaches (host_memory(), a Loader's batches) must
    # not be written to before the result is read, others are copied. None: as `overlaps` says.
    def begin_step(
        self, batch: Batch, *, step: int, parts: int = 1, overlap: bool | None = None
    ) -> None: ...
    def next_result(self) -> StepResult: ...  # of the oldest step; blocks
    @property
    def waiting_steps(self) -> int: ...  # whose results have not been read
    @property
    def overlaps(self) -> bool: ...  # whether steps overlap by default: on a GPU
    def predict(self, images: Floats) -> Floats: ...
    def evaluate(self, images: Floats, labels: Ints) -> StepResult: ...
    def features(self, images: Floats, layer: str) -> Floats: ...  # (N, C, H, W), inference mode
    # Records every task from now on, or no more; take_profile() hands each record out once.
    def profile(self, on: bool) -> None: ...
    @property
    def is_profiled(self) -> bool: ...
    def take_profile(self) -> list[Lane]: ...  # of each device, then of its sums of gradients
    def costs(self, batch: int, training: bool = True) -> list[Cost]: ...

class LayerRunner:
    """Runs a single layer forward and backward on given arrays, for tests."""

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
        reads_image: bool = False,  # if True, like a first layer: backward() returns no d_input
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
    # Call forward() first. Returns the gradients with respect to inputs and to parameters.
    def backward(self, d_outputs: Sequence[Floats]) -> tuple[list[Floats], dict[str, Floats]]: ...
    # After forward(): as the update of the step leaves it.
    def state(self) -> dict[str, Floats]: ...
    def saved(self, index: int) -> Floats: ...

def devices() -> list[dict[str, str]]: ...  # {"name", "description"} of available devices
def unavailable_backends() -> list[dict[str, str]]: ...  # {"name", "reason"}
def communicators() -> list[dict[str, str]]: ...  # {"name", "title", "missing"}, except "built-in"
def available_threads() -> int: ...
def host_memory(bytes: int, device: str) -> Bytes: ...  # see net/pinned.py
def cpu_kernels() -> str: ...  # the instruction set in use: "avx512", "avx2", "generic"
def measure_peak_rates(device: str = "cpu:0", threads: int = 0) -> PeakRates: ...  # takes a second
def site_of(name: str) -> int: ...
def philox_bits(seed: int, site: int, step: int, first: int, count: int) -> NDArray[np.uint32]: ...

# out[n] = scale * (crop of images[n] at offsets[n], mirrored if mirror[n], - mean + color[n]).
# images uint8 (N, H, W, C); out float32 (N, C, h, w); offsets int32 (N, 2): top, left; mirror uint8
# (N,); color float32 (N, C) or None. mean float32 is (C, h, w), subtracted from every crop,
# (C, H, W), of which the part under the crop is subtracted, or None. Releases the GIL.
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

# Scales the largest central part of image, uint8 (H, W, 3), with the aspect ratio of out to out,
# uint8 (h, w, 3): a triangle filter to reduce, a cubic to enlarge. Every machine computes the same
# bytes. Releases the GIL.
def resize_cover(image: Bytes, out: Bytes) -> None: ...

# sums (H, W, C) += images (N, H, W, C), summed over N; products (C, C) += products of the channels,
# summed over all pixels. Releases the GIL.
def add_moments(images: Bytes, sums: NDArray[np.uint64], products: NDArray[np.uint64]) -> None: ...

class Records: ...  # the records that a Loader reads, uint8 (H, W, C)

def records_in_memory(images: Bytes) -> Records: ...  # (N, H, W, C), not copied
def records_in_files(  # every file except the last has `each` records
    shape: tuple[int, int, int], count: int, files: Sequence[str], each: int
) -> Records: ...
def permutation(seed: int, site: int, step: int, count: int) -> NDArray[np.int64]: ...

class ImageDraws:
    """The random draws for an image at a position of an epoch; see data/augment.py."""

    def __init__(
        self,
        *,
        seed: int,
        channels: int,
        crop: tuple[int, int],
        positions: tuple[int, int],  # number of possible offsets of a crop, vertical and horizontal
        first: tuple[int, int],  # the first of these offsets
        mirror: bool,
        group: int,
        axes: NDArray[np.float64] | None,  # (C, C); None: no color noise
        color_epochs: int,  # number of epochs with color noise
        scale: float,
        color_scale: float,  # replaces scale in epochs with color noise
    ) -> None: ...
    def draw(  # offsets (count, 2): top, left; mirror (count,); color (count, C) or None
        self, epoch: int, first: int, count: int
    ) -> tuple[Ints, Bytes, NDArray[np.float32] | None]: ...

class LoaderBatch(TypedDict):  # views of a buffer that the loader reuses
    images: NDArray[np.float32] | None  # (N, C, h, w); None with on_device
    records: Bytes | None  # (N, H, W, C), with on_device
    labels: Ints
    offsets: Ints
    mirror: Bytes
    color: NDArray[np.float32] | None
    scale: float
    epoch: int
    first: int  # positions first to last - 1 in the epoch, including those of other ranks
    last: int

class LoaderMeter(TypedDict):  # counters since the start; times in seconds
    elapsed: float
    consumer_waited: float
    producer_waited: float
    images: int
    taken: int  # number of batches returned
    ready_at_take: int  # number of batches ready when one was requested, summed over all
    buffers: int  # number of buffers allocated

class Loader:
    """Prepares batches in advance on its own threads; wrapped by data/loader.py."""

    def __init__(
        self,
        records: Records | None,  # None: the caller makes them between claim() and hand_over()
        shape: tuple[int, int, int],
        labels: Ints,
        draws: ImageDraws,
        mean: NDArray[np.float32] | None,  # see augment()
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
    def next(self) -> LoaderBatch | None: ...  # blocks; None after close() or fail()
    # Waits for a free buffer; returns the indices of the images and the buffer for their records.
    def claim(self) -> tuple[NDArray[np.int64], Bytes] | None: ...
    def hand_over(self) -> None: ...  # the records of the last claim() are complete
    def fail(self) -> None: ...  # the records cannot be made
    def meter(self) -> LoaderMeter: ...
    def close(self) -> None: ...
