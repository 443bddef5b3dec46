"""NCCL sums the gradients of replicas on GPUs; tests/cuda_sim/fake_nccl.cpp on simulated GPUs.

Each case runs in its own process, because a library stays loaded once it has been opened.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import alexnet_native
import pytest
import tiny
from alexnet_native import Net, _core
from alexnet_native.errors import ModelError
from placements import DEVICES
from tiny_nets import two_towers

MODULE = os.environ.get("ALEXNET_CUDA_MODULE") or str(
    Path(alexnet_native.__file__).parent / "libalexnet_cuda.so"
)
FAKE = Path(MODULE).parent / "fake_nccl" / "libnccl.so.2"

TWO_GPUS = len(DEVICES) > 1 and all(name.startswith("cuda") for name in DEVICES)
on_two_gpus = pytest.mark.skipif(not TWO_GPUS, reason="needs two GPUs, or simulated ones")
on_two_simulated_gpus = pytest.mark.skipif(
    not (TWO_GPUS and FAKE.exists()), reason="needs two simulated GPUs"
)

TRAIN = """
import sys
import numpy as np
from alexnet_native import Net
from tiny_nets import CLASSES, INPUT, two_towers

def train(communicator, devices, precision):
    net = Net(two_towers(), devices=devices, replicas=2, seed=2, precision=precision,
              communicator=communicator)
    rng = np.random.default_rng(1)
    losses = []
    for count in (7, 6, 1, 7):
        images = rng.normal(0, 1, (count, *INPUT))
        labels = rng.integers(0, CLASSES, count)
        losses.append(net.train_step(images, labels, lr=0.02, weight_decay=0.01).loss)
    return net, losses + [value.tobytes() for value in net.params.values()]
"""

SAME_BITS = """
for devices in (("cuda:0", "cuda:1"), ("cuda:0", "cuda:0", "cuda:1", "cuda:1")):
    for precision in ("fp32", "fp64", "bf16"):
        net, bits = train("nccl", devices, precision)
        assert bits == train("built-in", devices, precision)[1], (devices, precision)
print(str(net.describe(8)))
net.native.profile(True)
net.train_step(np.zeros((4, *INPUT)), np.zeros(4, int), lr=0.01)
lanes = net.native.take_profile()[2:]
print([sorted({(task["what"], task["phase"]) for task in lane["tasks"]}) for lane in lanes])
"""

MISSING = """
import sys
from alexnet_native import libraries
from alexnet_native.cli import main
libraries.library_folders = lambda: []
sys.exit(main(sys.argv[1:]))
"""


def run(code: str, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join((str(tiny.PACKAGE_ROOT), *(str(Path(__file__).parents[1] / p)
                             for p in (".", "models"))))  # fmt: skip
    return tiny.spawn(
        [sys.executable, "-c", code, *words],
        cwd=Path.cwd(),
        env={**os.environ, "PYTHONPATH": paths, **environment},
    )


def with_nccl(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    if FAKE.exists():
        environment["LD_LIBRARY_PATH"] = str(FAKE.parent)
    return run(TRAIN + code, **environment)


@on_two_gpus
def test_nccl_and_the_built_in_communicator_give_equal_bits() -> None:
    done = with_nccl(SAME_BITS, ALEXNET_SIM_LEAKS="1")
    if "NCCL cannot be used" in done.stderr and not FAKE.exists():
        pytest.skip(tiny.complaints(done.stderr).splitlines()[-1])
    assert (done.returncode, done.stderr) == (0, "")
    assert "summed over 2 replicas in each step\nby the communicator NCCL 2." in done.stdout
    assert done.stdout.splitlines()[-1] == "[[('nccl', 'reduce')], [('nccl', 'reduce')]]"


@on_two_simulated_gpus
def test_the_devices_command_shows_the_version_or_what_is_missing() -> None:
    main = "import sys; from alexnet_native.cli import main; sys.exit(main(['devices']))"
    there = with_nccl(main).stdout
    assert "nccl      NCCL 2.28.9, for --replicas with --communicator nccl" in there
    old = with_nccl(main, ALEXNET_SIM_NCCL_VERSION="22105").stdout
    assert (
        "nccl      not available: NCCL cannot be used: "
        "libnccl.so.2 is NCCL 2.21.5, but 2.27.0 or newer is needed" in old
    )


@on_two_simulated_gpus
def test_without_nccl_training_ends_with_an_error_message(tmp_path: Path) -> None:
    tiny.write_net(tmp_path / "net.toml")
    done = run(
        MISSING, "train", "--data", "demo", "--net", str(tmp_path / "net.toml"), "--devices",
        "cuda:0,cuda:1", "--replicas", "2", "--communicator", "nccl", "--out",
        str(tmp_path / "run"),
    )  # fmt: skip
    message = tiny.complaint(done)
    assert message.startswith("NCCL cannot be used: libnccl.so.2 cannot be opened (")
    assert 'pip install "alexnet-native[cuda]", or use the communicator built-in' in message
    assert not (tmp_path / "run").exists()


@on_two_simulated_gpus
@pytest.mark.parametrize("function", ["ncclCommInitAll:1", "ncclAllReduce:2", "ncclAllReduce:9"])
def test_an_error_of_nccl_ends_the_step_of_all_replicas(function: str) -> None:
    code = """
try:
    train("nccl", ("cuda:0", "cuda:1"), "fp32")
except Exception as error:
    print(type(error).__name__, error)
"""
    done = with_nccl(code, ALEXNET_SIM_NCCL_FAIL=function)
    assert (done.returncode, done.stderr) == (0, "")
    name = function.partition(":")[0]
    assert done.stdout.startswith("DeviceError ")
    assert done.stdout.endswith(f"{name} failed: a system call failed\n")


@on_two_simulated_gpus
def test_the_fake_nccl_returns_the_error_codes_of_nccl() -> None:
    code = f"""
import ctypes
from alexnet_native import _core
_core.devices()  # opens the simulator, whose functions it calls
nccl = ctypes.CDLL({str(FAKE)!r})
assert nccl.ncclGroupEnd() == 5
assert nccl.ncclCommInitAll((ctypes.c_void_p * 2)(), 2, (ctypes.c_int * 2)(0, 0)) == 5
assert nccl.ncclCommInitAll((ctypes.c_void_p * 2)(), 2, (ctypes.c_int * 2)(0, 7)) == 1
"""
    done = run(code)
    assert (done.returncode, done.stderr) == (0, "")


def test_only_the_built_in_communicator_works_between_cpus() -> None:
    with pytest.raises(
        ModelError, match=r"no communicator 'nccl' between cpu:0, cpu:1: choose built-in"
    ):
        Net(two_towers(), devices="cpu:0,cpu:1", replicas=2, communicator="nccl")
    Net(two_towers(), devices="cpu:0", communicator="nccl")  # nothing is summed


def test_communicators_lists_those_of_available_back_ends() -> None:
    known = {one["name"] for one in _core.communicators()}
    assert known == ({"nccl"} if "cuda:0" in {d["name"] for d in _core.devices()} else set())
