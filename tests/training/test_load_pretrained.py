"""Weights from another checkpoint: what is taken, what is new, what is refused."""

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


def changed(*layers: Mapping[str, Any], classes: int = 4, **words: dict[str, Any]) -> Net:
    """The tiny network with words of some layers replaced, and `layers` before fc2."""
    plain = tiny.description()
    own = [{**layer, **words.get(layer["name"], {})} for layer in plain.layers]
    own[4:4] = map(dict, layers)
    return Net(
        Description("other", plain.input_shape, classes, tuple(own), plain.default_config), seed=9
    )


def take(net: Net, place: Path, names: tuple[str, ...] | None = ("a", "b", "c", "d")) -> list[str]:
    net.class_names = names
    return list(load_pretrained(net, checkpoint.load(place)).lines)


def equal(net: Net, other: Net, *names: str) -> bool:
    return all(np.array_equal(net.params[name], other.params[name]) for name in names)


def test_an_equal_network_takes_everything_but_momentum_and_step(pretrained: Path) -> None:
    net, source = changed(), Net.load(pretrained)
    lines = take(net, pretrained)
    assert equal(net, source, *source.params)
    assert net.step == 0 and not net.native.get("conv1.weight", "momentum").any()
    assert lines[1:] == ["  taken: conv1, fc2"]
    assert "of tiny at step 5" in lines[0]


def test_a_layer_that_is_new_keeps_its_own_start(pretrained: Path) -> None:
    sixth = {"name": "conv6", "type": "conv", "channels": 6, "kernel": 3, "pad": 1}
    net, plain = changed(sixth), changed(sixth)
    lines = take(net, pretrained)
    assert equal(net, Net.load(pretrained), "conv1.weight", "fc2.weight", "fc2.bias")
    assert equal(net, plain, "conv6.weight")
    assert lines[1:] == ["  taken: conv1, fc2", "  new: conv6"]


@pytest.mark.parametrize(
    ("classes", "names"), [(7, tuple("abcdefg")), (4, ("w", "x", "y", "z")), (3, None)]
)
def test_other_classes_are_learnt_anew(
    pretrained: Path, classes: int, names: tuple[str, ...] | None
) -> None:
    net, plain = changed(classes=classes), changed(classes=classes)
    lines = take(net, pretrained, names)
    assert equal(net, Net.load(pretrained), "conv1.weight", "conv1.bias")
    assert equal(net, plain, "fc2.weight", "fc2.bias")
    assert lines[1:] == ["  taken: conv1", "  new: fc2", "  not used: fc2"]


def test_another_shape_is_refused_and_nothing_is_changed(pretrained: Path) -> None:
    net, plain = changed(conv1={"kernel": 5, "pad": 2}), changed(conv1={"kernel": 5, "pad": 2})
    with pytest.raises(CheckpointError, match=r"conv1\.weight is 6x3x3x3 there and 6x3x5x5 here"):
        take(net, pretrained)
    assert equal(net, plain, *plain.params)
    with pytest.raises(CheckpointError, match="no parameter of other is in it"):
        take(changed(conv1={"name": "first"}, fc2={"name": "last"}), pretrained)


def test_what_makes_the_weights_mean_something_else_is_noted(pretrained: Path) -> None:
    net = changed(drop1={"rate": 0.5, "mode": "inverted"}, conv1={"weight_std": 9.0})
    net.preprocess = Net.load(pretrained).preprocess
    lines = take(net, pretrained)
    assert lines[2:] == [
        "  note: drop1 has mode = None there and 'inverted' here",
        "  note: drop1 has rate = 0.2 there and 0.5 here",
    ]


def test_layers_without_weights_that_only_one_has_and_their_order_are_noted(
    pretrained: Path,
) -> None:
    plain = tiny.description()
    conv, relu, pool, _, *top = plain.layers
    norm = {"name": "norm1", "type": "lrn", "size": 3, "k": 1.0, "alpha": 1e-4, "beta": 0.75,
            "alpha_mode": "sum"}  # fmt: skip
    layers = (conv, norm, pool, relu, *top)
    net = Net(Description("other", plain.input_shape, 4, layers, plain.default_config))
    assert take(net, pretrained)[2:] == [
        "  note: not there: norm1",
        "  note: not here: drop1",
        "  note: the layers stand in another order there",
    ]


def test_a_training_begins_with_them_and_says_so(tmp_path: Path, pretrained: Path) -> None:
    words = ("train", "--net", tiny.write_net(tmp_path / "net.toml"), "--out", "run")
    data = tiny.write_npz(tmp_path / "data.npz")
    done = tiny.run(*words, "--data", data, "--init-from", pretrained, "--lr", "1e-30",
                    "--steps", 1, cwd=tmp_path)  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"initial weights from .*step-00000005\.safetensors, of tiny", done.stdout)
    assert ", of tiny at step 5; taken: every layer\n" in done.stdout
    net = Net.load(tmp_path / "run")
    assert equal(net, Net.load(pretrained), *net.params) and net.step == 1
    saved = (tmp_path / "run" / "config.toml").read_text()
    assert f'init_from = "{(pretrained / "checkpoints").resolve()}' in saved


def test_a_resumed_training_does_not_begin_again(tmp_path: Path, pretrained: Path) -> None:
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


def test_a_missing_checkpoint_is_a_sentence_and_leaves_no_folder(tmp_path: Path) -> None:
    words = ("train", "--net", tiny.write_net(tmp_path / "net.toml"), "--out", "run")
    data = tiny.write_npz(tmp_path / "data.npz")
    done = tiny.run(*words, "--data", data, "--init-from", "nowhere", cwd=tmp_path)
    assert tiny.complaint(done) == "there is no checkpoint nowhere"
    assert not (tmp_path / "run").exists()
