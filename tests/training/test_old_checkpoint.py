"""A run that was started and stopped with commit 02ebf10 gives equal bits when resumed today.

The folder ``old`` contains ``run``, the run folder of 02ebf10 after 17 of 40 steps (without earlier
checkpoints), and ``expected.json``, the result of an uninterrupted run of 02ebf10. The network has
two towers, convolutions, LRN, max pooling and dropout. The run uses random crops, mirroring, color
noise, accumulation, and a plateau schedule that lowers the rate before and after step 17. After
step 17, rates are changed, a layer is frozen and the color noise ends. If this test fails, do not
write the files again: the failure means that old checkpoints no longer resume exactly. The files
were written with 02ebf10 installed in ``env``:

    mkdir /tmp/old && cp net.toml recipe.toml data.npz /tmp/old && cd /tmp/old
    export ALEXNET_CPU=generic OPENBLAS_CORETYPE=Nehalem
    options="--recipe recipe.toml --data data.npz --lr 0.1"
    env/bin/alexnet-native train $options --out whole
    env/bin/alexnet-native train $options --out run --steps 17
    env/bin/python facts.py whole data.npz run/checkpoints/latest > expected.json

The settings in the checkpoint contain the path of the data in that folder, so the test gives
another path with ``--data``. ``data.npz`` contains 27 and 13 images of 15 x 14 pixels: uniform
noise below 120, brighter by (110, 60, 20) in a square of 7 x 7 pixels whose position is the class.
The two variables fix the order of sums; OpenBLAS also chooses its kernels by the processor.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny
from alexnet_native import _core
from alexnet_native.config import TrainConfig
from alexnet_native.models import describe
from alexnet_native.recipes import read_recipe
from alexnet_native.recipes.reference_results import ReferenceResult

OLD = Path(__file__).parent / "old"
CHECKPOINT = OLD / "run" / "checkpoints" / "step-00000017.safetensors"
SAME_BITS = {"ALEXNET_CPU": "generic", "OPENBLAS_CORETYPE": "Nehalem"}

# The order of sums differs on other processors and with other BLAS libraries.
same_sums = pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64")
    or "OpenBLAS" not in _core.devices()[0]["description"],
    reason="the files were written with OpenBLAS on x86-64",
)


def facts(run: Path) -> dict[str, Any]:
    words = [sys.executable, str(OLD / "facts.py"), run, OLD / "data.npz", CHECKPOINT]
    done = tiny.spawn([*map(str, words)], cwd=run, env=tiny.environment(**SAME_BITS))
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The stopped run, with the link `latest`, which is not in the repository."""
    folder = shutil.copytree(OLD / "run", tmp_path / "run")
    (folder / "checkpoints" / "latest").symlink_to(CHECKPOINT.name)
    return Path(folder)


def resume(run: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """Resumes the run on cpu:0 and cpu:1, the devices in the checkpoint."""
    line = ["train", "--resume", run, "--data", OLD / "data.npz", "--steps", 0, *words]
    command = [sys.executable, "-m", "alexnet_native", *map(str, line)]
    return tiny.spawn(command, cwd=run.parent, env=tiny.environment(**SAME_BITS))


@same_sums
def test_resuming_a_checkpoint_of_02ebf10_gives_equal_bits(run: Path) -> None:
    done = resume(run)
    assert done.returncode == 0, done.stderr
    assert "resumed at step 17" in done.stdout
    assert facts(run) == json.loads((OLD / "expected.json").read_text())


@same_sums
def test_resuming_with_a_different_setting_gives_different_bits(run: Path) -> None:
    assert resume(run, "--momentum", 0.8999).returncode == 0
    found, wanted = facts(run), json.loads((OLD / "expected.json").read_text())
    for name in ("tensors", "predictions", "metrics", "parameters", "evaluation"):
        assert found[name] != wanted[name], name
    assert found["predictions"]["middle"] == wanted["predictions"]["middle"]


# The settings in the files, with their current names.
SETTINGS: dict[str, Any] = {
    "net": "net.toml", "engine": "auto", "init": "own", "precision": "fp32",
    "devices": ("cpu:0", "cpu:1"), "replicas": 1, "communicator": "built-in", "threads": 2,
    "crop": (12, 12), "random_crop": True, "mirror": True, "offsets": "inclusive",
    "draw_group": 2, "mean": "matched", "scale": 0.02, "color_divisor": 1.1, "color_std": 0.1,
    "color_axes": "sqrt", "color_off": 5, "augment": "cpu", "loader_threads": 1,
    "epochs": 8, "steps": 0, "batch_size": 6, "accumulate": 2, "lr": 0.02, "bias_lr": 0.05,
    "momentum": 0.9, "weight_decay": 0.001, "seed": 11, "stall_steps": 0,
    "schedule": "plateau", "schedule_factor": 0.5, "schedule_patience": 1, "schedule_drops": 3,
    "rates": ("conv2.weight@1=0.05", "fc4.bias@6=0.01"), "freeze": ("conv1@5",),
    "final_views": 10, "log_every": 2, "checkpoint_every": 0, "keep": 2,
}  # fmt: skip
OF_THE_RUN: dict[str, Any] = {"classes": 4, "data": "/tmp/old/data.npz", "steps": 17, "lr": 0.1}
# The two that the run leaves out, as 02ebf10 spells them.
REST = '[net]\nactivation = "relu"\ninit_from = "first.safetensors"\n'
OF_THE_REST = {"activation": "relu", "init_from": "first.safetensors"}


def test_the_config_toml_of_02ebf10_is_read() -> None:
    text = (OLD / "run" / "config.toml").read_text().replace("[net]\n", REST)
    config = TrainConfig.from_toml(text)
    assert config == TrainConfig(**{**SETTINGS, **OF_THE_RUN, **OF_THE_REST})
    assert TrainConfig.from_toml(config.to_toml()) == config


@pytest.mark.parametrize("file", ["recipe.toml", "run/recipe.toml"])
def test_a_recipe_of_02ebf10_is_read(file: str) -> None:
    recipe = read_recipe(str(OLD / file))
    assert recipe.values == SETTINGS
    assert recipe.about == "a small training with everything that a checkpoint has to keep"
    assert recipe.published == (ReferenceResult("squares", 10, 40.0, 5.0, 1, "an invented figure"),)


def test_the_net_toml_of_02ebf10_is_read() -> None:
    layers = describe(OLD / "run" / "net.toml").layers
    given = describe(OLD / "net.toml").layers
    assert [layer["name"] for layer in layers] == [layer["name"] for layer in given]
    assert dict(layers[0]) == {
        "name": "conv1", "type": "conv", "channels": 8, "kernel": 3, "stride": 1, "pad": 1,
        "towers": 2, "weight_std": 0.2, "bias_lr": 2.0, "engine": "auto",
    }  # fmt: skip


# [training] of a network's own file: every word that 02ebf10 takes there.
HINTS: dict[str, Any] = {
    "lr": 0.02, "batch_size": 6, "momentum": 0.8, "weight_decay": 0.001, "epochs": 6,
    "schedule": "step@2", "random_crop": False, "mirror": False, "offsets": "inclusive",
    "mean": "centre", "scale": 0.5, "color_std": 0.2, "color_axes": "eigenvalue",
    "color_divisor": 1.1,
}  # fmt: skip


def test_the_training_words_of_a_network_of_02ebf10_are_read(tmp_path: Path) -> None:
    words = "".join(f"{name} = {json.dumps(value)}\n" for name, value in HINTS.items())
    text = (OLD / "net.toml").read_text()
    file = tmp_path / "net.toml"
    file.write_text(text.replace("[[layers]]", f"[training]\n{words}\n[[layers]]", 1))
    assert describe(file).default_config == HINTS
