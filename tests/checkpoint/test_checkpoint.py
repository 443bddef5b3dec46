"""Checkpoints: round trip, checkpoints of different networks, paths of checkpoints."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest
import tiny
from alexnet_native import Net, checkpoint
from alexnet_native.data.preprocess import Preprocess
from alexnet_native.data.statistics import Statistics, statistics
from alexnet_native.errors import CheckpointError
from alexnet_native.models import Description
from placements import APART
from safetensors import safe_open


def trained(**options: object) -> Net:
    """Returns a network with momentum, class names and preprocessing."""
    data = tiny.data()
    net = tiny.net(**options)  # type: ignore[arg-type]
    net.class_names = data.classes
    net.preprocess = Preprocess(statistics(data.train), (8, 8), "centre", 0.02)
    images, labels = tiny.arrays(12)
    for _ in range(3):
        net.train_step(images, labels, lr=0.01)
    return net


def tensors(net: Net) -> dict[tuple[str, str], bytes]:
    kinds = ("value", "momentum")
    return {(n, k): net.native.get(n, k).tobytes() for n in net.params for k in kinds}


@pytest.mark.parametrize("precision", ["fp32", "fp64"])
def test_a_loaded_network_equals_the_saved_one_to_the_bit(tmp_path: Path, precision: str) -> None:
    net = trained(seed=5, precision=precision)
    net.save(tmp_path / "net.safetensors")
    other = Net.load(tmp_path / "net.safetensors")
    assert tensors(other) == tensors(net)
    assert any(
        np.frombuffer(data, np.uint8).any()
        for (_, k), data in tensors(net).items()
        if k == "momentum"
    )
    assert (other.step, other.seed, other.precision) == (3, 5, precision)
    assert other.class_names == ("a", "b", "c", "d")
    assert other.description == net.description
    images, labels = tiny.arrays(9, seed=3)
    assert other.predict(images).tobytes() == net.predict(images).tobytes()
    assert other.train_step(images, labels, lr=0.1) == net.train_step(images, labels, lr=0.1)
    assert tensors(other) == tensors(net)


TOWERS = (
    {"name": "conv1", "type": "conv", "channels": 8, "kernel": 3, "towers": 2, "weight_std": 0.2},
    {"name": "relu1", "type": "relu", "towers": 2},
    {"name": "conv2", "type": "conv", "channels": 8, "kernel": 3, "groups": 2, "towers": 2},
    {"name": "fc3", "type": "dense", "channels": 6, "towers": 2, "weight_std": 0.1},
    {"name": "fc4", "type": "dense", "channels": "classes", "weight_std": 0.1},
    {"name": "prob", "type": "softmax"},
)


def test_a_network_trained_on_two_devices_can_be_loaded_on_one(tmp_path: Path) -> None:
    net = Net(Description("towers", (3, 8, 8), 4, TOWERS), devices=APART)
    images, labels = tiny.arrays(12)
    floats = np.ascontiguousarray(images[:, :8, :8].transpose(0, 3, 1, 2), np.float32) / 64
    for _ in range(3):
        net.train_step(floats, labels, lr=0.01)
    net.save(tmp_path / "f")
    one, two = Net.load(tmp_path / "f"), Net.load(tmp_path / "f", devices=APART)
    assert tensors(one) == tensors(two) == tensors(net)
    assert two.predict(floats).tobytes() == net.predict(floats).tobytes()
    assert np.abs(one.predict(floats) - net.predict(floats)).max() < 1e-6


def test_the_preprocessing_is_part_of_the_checkpoint(tmp_path: Path) -> None:
    net = trained()
    net.save(tmp_path / "f")
    saved, kept = net.preprocess, Net.load(tmp_path / "f").preprocess
    assert saved is not None and kept is not None
    assert (kept.crop, kept.mean, kept.scale) == ((8, 8), "centre", 0.02)
    for name in ("mean", "pca_std", "pca_vectors"):
        here, there = getattr(kept.statistics, name), getattr(saved.statistics, name)
        assert here.dtype == np.float32 and np.array_equal(here, there)


def test_a_network_without_training_can_be_saved(tmp_path: Path) -> None:
    tiny.net().save(tmp_path / "f")
    net = Net.load(tmp_path / "f")
    assert (net.step, net.class_names, net.preprocess) == (0, None, None)


def test_the_metadata_can_be_read_by_any_safetensors_reader(tmp_path: Path) -> None:
    trained().save(tmp_path / "f")
    with safe_open(tmp_path / "f", framework="numpy") as file:
        metadata, names = file.metadata(), set(file.keys())
    assert {"value/conv1.weight", "momentum/fc2.bias", "preprocess/mean"} <= names
    assert Description.from_toml(metadata["description"]).name == "tiny"
    assert json.loads(metadata["network"])["versions"].keys() == {"alexnet_native", "numpy"}


def with_layer(attribute: str, value: object, layer: int = 0) -> Description:
    plain = tiny.description()
    layers = [dict(entry) for entry in plain.layers]
    layers[layer][attribute] = value
    return Description(
        plain.name, plain.input_shape, plain.classes, tuple(layers), plain.default_config
    )


@pytest.mark.parametrize(
    ("other", "difference"),
    [
        (tiny.description().with_classes(5), "fc2.weight is 4x96 in the checkpoint, 5x96 here"),
        (with_layer("channels", 7), "conv1.weight is 6x3x3x3 in the checkpoint, 7x3x3x3 here"),
        (
            with_layer("bias", False),
            "the checkpoint has conv1.bias, the current network does not",
        ),
        (with_layer("name", "first"), "the checkpoint has no first.weight"),
        (
            with_layer("rate", 0.5, layer=3),
            "layer drop1 has rate = 0.2 in the checkpoint, 0.5 here",
        ),
    ],
)
def test_the_error_for_a_checkpoint_of_a_different_network_names_the_first_difference(
    tmp_path: Path, other: Description, difference: str
) -> None:
    trained().save(tmp_path / "f")
    net = Net(other, seed=1)
    before = tensors(net)
    with pytest.raises(CheckpointError) as caught:
        checkpoint.restore(net, checkpoint.load(tmp_path / "f"))
    assert difference in str(caught.value) and "\n" not in str(caught.value)
    assert tensors(net) == before


def test_a_safetensors_file_that_is_not_a_checkpoint_raises_an_error(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"x": np.zeros(3, np.float32)}, tmp_path / "f")
    with pytest.raises(CheckpointError, match="is not a checkpoint of alexnet-native that this"):
        checkpoint.load(tmp_path / "f")


@pytest.mark.parametrize("key", ["network", "description", "progress"])
@pytest.mark.parametrize("checksum", [True, False])
def test_the_error_for_damaged_metadata_is_one_line(
    tmp_path: Path, key: str, checksum: bool
) -> None:
    path = tmp_path / "f"
    trained().save(path)
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header["__metadata__"][key] = "{"
    if not checksum:  # as in a file of version 0.1.0
        del header["__metadata__"]["header_crc32"]
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + size :])
    with pytest.raises(CheckpointError, match="damaged") as caught:
        checkpoint.load(path)
    assert "\n" not in str(caught.value)


def test_a_checkpoint_is_found_by_file_link_and_folder(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    file = folder / "step-00000003.safetensors"
    trained().save(file)
    (folder / "latest").symlink_to(file.name)
    for path in (file, folder / "latest", folder, tmp_path / "run"):
        assert checkpoint.load(path).step == 3


def test_the_error_for_a_missing_checkpoint_names_the_path(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*nothing"):
        checkpoint.load(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match=r"folder .* contains no checkpoint"):
        checkpoint.load(tmp_path)
    (tmp_path / "latest").symlink_to("step-00000009.safetensors")
    with pytest.raises(CheckpointError, match=r"points to step-00000009\.safetensors"):
        checkpoint.load(tmp_path)


def test_the_error_for_a_path_that_is_too_long_names_it(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"xxx cannot be read: File name too long"):
        checkpoint.load(tmp_path / ("x" * 300))


def test_flipped_bits_in_the_metadata_do_not_change_a_network(tmp_path: Path) -> None:
    path = tmp_path / "f"
    trained().save(path)
    right, data = checkpoint.load(path), path.read_bytes()
    size = 8 + int.from_bytes(data[:8], "little")
    draw = random.Random(0)
    refused = 0
    for _ in range(500):
        changed = bytearray(data)
        changed[draw.randrange(8, size)] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        try:
            found = checkpoint.load(path)
        except CheckpointError:
            refused += 1
            continue
        for name in ("description", "seed", "precision", "step", "class_names", "progress"):
            assert getattr(found, name) == getattr(right, name)
    assert refused > 400


def test_statistics_of_images_larger_than_the_crop_are_stored_whole(tmp_path: Path) -> None:
    net = tiny.net()
    wide = Statistics(
        np.ones((3, 10, 10), np.float32), np.zeros(3, np.float32), np.eye(3, dtype=np.float32)
    )
    net.preprocess = Preprocess(wide, (8, 8))
    net.save(tmp_path / "f")
    kept = Net.load(tmp_path / "f").preprocess
    assert kept is not None and kept.statistics.image_shape == (10, 10, 3)
