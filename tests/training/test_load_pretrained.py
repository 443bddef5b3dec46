"""Initial weights from a checkpoint: loaded and new layers, notes about differences, errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from alexnet_native import Net, checkpoint
from alexnet_native.errors import CheckpointError
from alexnet_native.models import Description
from alexnet_native.training import fit, prepare, resume
from alexnet_native.training.load_pretrained import load_pretrained

DATA = tiny.data()


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrained")
    fit(tiny.net(), DATA, epochs=1, lr=0.05, out=folder, verbose=False)
    return folder


def changed(*layers: Mapping[str, Any], classes: int = 4, **attributes: dict[str, Any]) -> Net:
    """The tiny network with some attributes of layers replaced, and `layers` before fc2."""
    plain = tiny.description()
    own = [{**layer, **attributes.get(layer["name"], {})} for layer in plain.layers]
    own[4:4] = map(dict, layers)
    return Net(
        Description("other", plain.input_shape, classes, tuple(own), plain.default_config), seed=9
    )


def load(net: Net, path: Path, names: tuple[str, ...] | None = ("a", "b", "c", "d")) -> list[str]:
    net.class_names = names
    return list(load_pretrained(net, checkpoint.load(path)).lines)


def equal(net: Net, other: Net, *names: str) -> bool:
    return all(np.array_equal(net.params[name], other.params[name]) for name in names)


def test_an_equal_network_loads_all_parameters_but_not_momentum_and_step(
    pretrained: Path,
) -> None:
    net, source = changed(), Net.load(pretrained)
    lines = load(net, pretrained)
    assert equal(net, source, *source.params)
    assert net.step == 0 and not net.native.get("conv1.weight", "momentum").any()
    assert lines[1:] == ["  loaded: conv1, fc2"]
    assert "(tiny, step 5)" in lines[0]


def test_a_new_layer_keeps_its_initial_weights(pretrained: Path) -> None:
    sixth = {"name": "conv6", "type": "conv", "channels": 6, "kernel": 3, "pad": 1}
    net, plain = changed(sixth), changed(sixth)
    lines = load(net, pretrained)
    assert equal(net, Net.load(pretrained), "conv1.weight", "fc2.weight", "fc2.bias")
    assert equal(net, plain, "conv6.weight")
    assert lines[1:] == ["  loaded: conv1, fc2", "  new: conv6"]


@pytest.mark.parametrize(
    ("classes", "names"), [(7, tuple("abcdefg")), (4, ("w", "x", "y", "z")), (3, None)]
)
def test_the_output_layer_is_not_loaded_if_the_classes_differ(
    pretrained: Path, classes: int, names: tuple[str, ...] | None
) -> None:
    net, plain = changed(classes=classes), changed(classes=classes)
    lines = load(net, pretrained, names)
    assert equal(net, Net.load(pretrained), "conv1.weight", "conv1.bias")
    assert equal(net, plain, "fc2.weight", "fc2.bias")
    assert lines[1:] == ["  loaded: conv1", "  new: fc2", "  not used: fc2"]


def test_a_different_shape_raises_an_error_and_changes_nothing(pretrained: Path) -> None:
    net, plain = changed(conv1={"kernel": 5, "pad": 2}), changed(conv1={"kernel": 5, "pad": 2})
    message = r"conv1\.weight is 6x3x3x3 in the checkpoint, 6x3x5x5 here"
    with pytest.raises(CheckpointError, match=message):
        load(net, pretrained)
    assert equal(net, plain, *plain.params)
    with pytest.raises(CheckpointError, match="contains no parameter of other"):
        load(changed(conv1={"name": "first"}, fc2={"name": "last"}), pretrained)


def test_differences_that_affect_the_meaning_of_the_weights_are_noted(pretrained: Path) -> None:
    net = changed(drop1={"rate": 0.5, "mode": "inverted"}, conv1={"weight_std": 9.0})
    net.preprocess = Net.load(pretrained).preprocess
    lines = load(net, pretrained)
    assert lines[2:] == [
        "  note: drop1 has mode = None in the checkpoint, 'inverted' here",
        "  note: drop1 has rate = 0.2 in the checkpoint, 0.5 here",
    ]


def test_missing_layers_without_weights_and_a_different_order_are_noted(
    pretrained: Path,
) -> None:
    plain = tiny.description()
    conv, relu, pool, _, *top = plain.layers
    norm = {"name": "norm1", "type": "lrn", "size": 3, "k": 1.0, "alpha": 1e-4, "beta": 0.75,
            "alpha_mode": "sum"}  # fmt: skip
    layers = (conv, norm, pool, relu, *top)
    net = Net(Description("other", plain.input_shape, 4, layers, plain.default_config))
    assert load(net, pretrained)[2:] == [
        "  note: not in the checkpoint: norm1",
        "  note: only in the checkpoint: drop1",
        "  note: the order of the layers is different in the checkpoint",
    ]


def test_init_from_sets_the_initial_weights_of_a_run(tmp_path: Path, pretrained: Path) -> None:
    words = ("train", "--net", tiny.write_net(tmp_path / "net.toml"), "--out", "run")
    data = tiny.write_npz(tmp_path / "data.npz")
    done = tiny.run(*words, "--data", data, "--init-from", pretrained, "--lr", "1e-30",
                    "--steps", 1, cwd=tmp_path)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"initial weights from .*step-00000005\.safetensors \(tiny", done.stdout)
    assert " (tiny, step 5); loaded: all layers\n" in done.stdout
    net = Net.load(tmp_path / "run")
    assert equal(net, Net.load(pretrained), *net.params) and net.step == 1
    saved = (tmp_path / "run" / "config.toml").read_text()
    assert f'init_from = "{(pretrained / "checkpoints").resolve()}' in saved


def test_a_resumed_run_does_not_load_the_initial_weights_again(
    tmp_path: Path, pretrained: Path
) -> None:
    given = {
        "net": str(tiny.write_net(tmp_path / "net.toml")),
        "data": str(tiny.write_npz(tmp_path / "data.npz")),
        "init_from": str(pretrained),
        "epochs": 2,
    }
    for name, steps in (("whole", 0), ("part", 6)):
        prepare({**given, "steps": steps}, out=tmp_path / name).trainer.run()
    resume(tmp_path / "part", {"steps": 0}).trainer.run()
    whole, part = Net.load(tmp_path / "whole"), Net.load(tmp_path / "part")
    assert equal(whole, part, *whole.params)


def test_a_missing_checkpoint_ends_a_run_with_an_error_message_and_no_folder(
    tmp_path: Path,
) -> None:
    words = ("train", "--net", tiny.write_net(tmp_path / "net.toml"), "--out", "run")
    data = tiny.write_npz(tmp_path / "data.npz")
    done = tiny.run(*words, "--data", data, "--init-from", "nowhere", cwd=tmp_path)
    assert tiny.complaint(done) == "there is no checkpoint nowhere"
    assert not (tmp_path / "run").exists()
