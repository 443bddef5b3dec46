"""Small questions to a GPU that has not run this library before; first_contact.sh asks them.

    python benchmarks/first_contact.py                 all of them, one line each, with its time
    python benchmarks/first_contact.py plans           only how long convolutions take to plan
    python benchmarks/first_contact.py one             three steps of alexnet, for a profiler

A question that fails does not stop the others. Exit code 1 if one failed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from alexnet_native import Net, _core, pinned_empty
from alexnet_native.gpu_check.layers import convolutions
from alexnet_native.models import Description
from alexnet_native.net import Progress

RULE = {"lr": 0.01, "momentum": 0.9, "decay": 5e-4}
BATCH = 128
NAN_NET = (
    {"name": "conv1", "type": "conv", "channels": 16, "kernel": 3, "pad": 1, "weight_std": 0.1},
    {"name": "relu1", "type": "relu"},
    {"name": "fc2", "type": "dense", "channels": "classes", "weight_std": 0.1},
    {"name": "prob", "type": "softmax"},
)


def say(text: str) -> None:
    print(text, flush=True)


def net_of(name: str | Description, device: str, precision: str = "fp32") -> Net:
    net = Net(name, devices=device, precision=precision, seed=1)
    for parameter in net.params:
        net.native.set_update(parameter, **RULE)
    return net


def batch_of(net: Net, images: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    return (
        rng.standard_normal((images, *net.input_shape), dtype=np.float32),
        rng.integers(0, net.classes, images, dtype=np.int32),
    )


def relative(got: np.ndarray, want: np.ndarray) -> float:
    """The largest difference, as a part of the largest value; NaN where either has one."""
    return float(np.abs(got - want).max() / np.abs(want).max())


def gemm_convolution(device: str) -> str:
    words = {"channels": 32, "kernel": 5, "pad": 2, "engine": "gemm"}
    results = []
    for where in ("cpu:0", device):
        runner = _core.LayerRunner("conv", words, [(4, 16, 27, 27)], device=where)
        rng = np.random.default_rng(1)
        params = {
            name: rng.standard_normal(shape, np.float32)
            for name, shape in runner.param_shapes().items()
        }
        out = runner.forward([rng.standard_normal((4, 16, 27, 27), np.float32)], params)
        d_in, d_params = runner.backward([rng.standard_normal(out[0].shape, np.float32)])
        results.append([*out, *d_in, *(d_params[name] for name in sorted(d_params))])
    apart = max(relative(got, want) for want, got in zip(*results, strict=True))
    if not apart <= 1e-5:
        raise AssertionError(f"the device and the CPU are {apart:.1e} apart")
    return f"{apart:.1e} from the CPU"


def plans(device: str) -> str:
    """Prints a line for each convolution: the engine that `auto` takes, and the time to plan it."""
    total = 0.0
    for precision in ("fp32", "tf32", "bf16"):
        for name, attributes, shape, reads_image in convolutions("alexnet"):
            began = time.perf_counter()
            try:
                runner = _core.LayerRunner(
                    "conv", {**attributes, "engine": "auto"}, [(BATCH, *shape)],
                    device=device, precision=precision, reads_image=reads_image,
                )  # fmt: skip
            except _core.UnavailableError as error:
                say(f"  {precision}: {error}")
                break
            seconds = time.perf_counter() - began
            total += seconds
            say(f"  {precision} {name}: {runner.engine}, {seconds:.3f} s")
    return f"{total:.2f} s in all"


def nan_through_relu(device: str) -> str:
    for precision in ("fp32", "bf16"):
        net = net_of(Description("nan", (3, 16, 16), 4, NAN_NET), device, precision)
        images, _ = batch_of(net, 8)
        images[:] = np.nan
        if not np.isnan(net.native.predict(images)).all():
            raise AssertionError(f"{precision}: a NaN in the image is not in the output")
    return "a NaN in the image reaches the output in fp32 and bf16"


@contextmanager
def standard_error() -> Iterator[Callable[[], str]]:
    """What is written to file descriptor 2, by C++ too."""
    with tempfile.TemporaryFile() as file:
        before = os.dup(2)
        os.dup2(file.fileno(), 2)

        def text() -> str:
            file.seek(0)
            return file.read().decode(errors="replace")

        try:
            yield text
        finally:
            os.dup2(before, 2)
            os.close(before)


def graph(device: str) -> str:
    losses = []
    with standard_error() as written:
        for overlap in (False, True):
            net = net_of("cifar10-quick", device)
            images, labels = batch_of(net, 64)
            own = []
            for _ in range(6):
                own.append(net.train_step(images, labels, wait=not overlap).sums.loss)
            losses.append((own, [net.native.get(name, "value").tobytes() for name in net.params]))
        text = written()
    if text:
        raise AssertionError(text.strip())
    if losses[0] != losses[1]:
        raise AssertionError(f"overlapping steps differ: {losses[0][0]} and {losses[1][0]}")
    return "six overlapping steps and six plain ones give the same bits; nothing was said"


def overlapping_steps(net: Net, batch: Any, count: int) -> tuple[float, float]:
    """Seconds of a step, and of its call of train_step: the median over `count` steps."""
    images, labels = batch
    host = []
    waiting: deque[Progress] = deque()
    start = time.perf_counter()
    for _ in range(count):
        began = time.perf_counter()
        waiting.append(net.train_step(images, labels, wait=False))
        host.append(time.perf_counter() - began)
        while len(waiting) > 1:
            _ = waiting.popleft().sums
    for step in waiting:
        _ = step.sums
    return (time.perf_counter() - start) / count, median(host)


def step_times(device: str) -> str:
    lines = []
    for precision in ("bf16", "fp32"):
        began = time.perf_counter()
        net = net_of("alexnet", device, precision)
        net.train_step(*batch_of(net, BATCH))
        line = f"{precision}: {time.perf_counter() - began:.1f} s to the end of the first step"
        pageable = batch_of(net, BATCH)
        pinned = tuple(pinned_empty(part.shape, part.dtype, device=device) for part in pageable)
        for to, part in zip(pinned, pageable, strict=True):
            to[:] = part
        for kind, batch in {"pageable": pageable, "pinned": pinned}.items():
            if net.native.overlaps:
                overlapping_steps(net, batch, 5)
                whole, call = overlapping_steps(net, batch, 20)
                line += (
                    f", {whole * 1e3:.2f} ms a step ({BATCH / whole:,.0f} images/s) from {kind} "
                    f"memory, of it {call * 1e3:.2f} ms in train_step"
                )
        lines.append(line)
    return "; ".join(lines)


def uploads(device: str) -> str:
    try:
        import torch
    except ImportError:
        return "PyTorch is not installed: not measured"
    if not torch.cuda.is_available():
        return "PyTorch sees no GPU: not measured"
    images = torch.randn(BATCH, 3, 224, 224)
    pinned = torch.empty_like(images).pin_memory()
    target = torch.empty_like(images, device=device)
    size = images.numel() * 4 / 1e9

    def seconds(copy: Callable[[], object]) -> float:
        times = []
        for _ in range(7):
            torch.cuda.synchronize()
            began = time.perf_counter()
            copy()
            torch.cuda.synchronize()
            times.append(time.perf_counter() - began)
        return median(times)

    host = seconds(lambda: pinned.copy_(images))
    one = seconds(lambda: np.copyto(pinned.numpy(), images.numpy()))
    up = seconds(lambda: target.copy_(pinned, non_blocking=True))
    return (
        f"{size * 1e3:.0f} MB to pinned memory: {host * 1e3:.1f} ms by PyTorch's threads, "
        f"{one * 1e3:.1f} ms by NumPy; to the GPU {up * 1e3:.1f} ms ({size / up:.1f} GB/s)"
    )


def one(device: str) -> str:
    net = net_of("alexnet", device, "bf16")
    images, labels = batch_of(net, BATCH)
    losses = [net.train_step(images, labels).sums.loss for _ in range(3)]
    return f"losses {losses}"


QUESTIONS: dict[str, Callable[[str], str]] = {
    "gemm convolution": gemm_convolution,
    "plans": plans,
    "NaN": nan_through_relu,
    "graph": graph,
    "step": step_times,
    "upload": uploads,
}
ALONE: dict[str, Callable[[str], str]] = {"plans": plans, "one": one}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", choices=ALONE, help="one question (default: all)")
    parser.add_argument("--device", default="cuda:0", metavar="D", help="default: cuda:0")
    args = parser.parse_args()
    questions: dict[str, Any] = {args.what: ALONE[args.what]} if args.what else QUESTIONS
    failed = 0
    say(f"from {Path(_core.__file__).parent}")
    for name, question in questions.items():
        began = time.perf_counter()
        try:
            answer = question(args.device)
        except Exception:
            failed += 1
            answer = "FAILED\n" + traceback.format_exc()
        say(f"{name}: {answer} [{time.perf_counter() - began:.1f} s]")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
