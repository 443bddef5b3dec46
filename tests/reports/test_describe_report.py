"""`describe`: the printed table and the dictionary."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiny
from alexnet_native import Net
from alexnet_native.reports.describe import timed
from placements import APART
from tiny_nets import two_towers


def test_the_dictionary_is_json_with_all_keys() -> None:
    summary = Net(two_towers(), devices="cpu:0,cpu:1").describe(16)
    again = json.loads(json.dumps(summary))
    assert again == summary
    assert again["batch"] == 16 and again["devices"] == ["cpu:0", "cpu:1"]
    assert again["parameters"] == sum(layer["parameters"] for layer in again["layers"])
    assert again["multiply_adds"] == sum(layer["multiply_adds"] for layer in again["layers"])
    assert {memory["device"] for memory in again["memory"]} == {"cpu:0", "cpu:1"}
    keys = {"name", "type", "output", "parameters", "multiply_adds", "memory_bytes", "device",
            "engine", "weight_std"}  # fmt: skip
    assert all(keys <= set(layer) for layer in again["layers"])
    edges = again["cross_edges"]
    assert again["bytes_per_step"] == sum(e["forward_bytes"] + e["backward_bytes"] for e in edges)


def test_the_table_fits_100_columns_and_contains_all_layers_and_totals() -> None:
    for net in (Net("alexnet"), Net("alexnet", devices="cpu:0,cpu:1"), Net("cifar10-11pct")):
        summary = net.describe(128)
        text = str(summary)
        assert all(len(line) <= 100 for line in text.splitlines())
        assert all(line == line.rstrip() for line in text.splitlines())
        rows = text.split("\n\n")[1].splitlines()
        for layer in summary["layers"]:
            assert sum(line.startswith(f"{layer['name']} ") for line in rows) == 1
        assert f"{summary['parameters']:,}" in text and f"{summary['multiply_adds']:,}" in text


def test_the_table_contains_the_traffic_between_devices() -> None:
    text = str(Net("alexnet", devices="cpu:0,cpu:1").describe(128))
    assert "57.25 MiB between devices in each step" in text
    assert "between devices" not in str(Net("alexnet").describe(128))


def test_measure_times_the_copies_between_devices(tmp_path: Path) -> None:
    (tmp_path / "towers.toml").write_text(two_towers().to_toml())
    where = ("describe", "towers.toml", "--batch", 2, "--devices", ",".join(APART))
    plain = tiny.run(*where, cwd=tmp_path).stdout
    if len({*APART}) > 1:
        assert "; --measure times the copies" in plain
        done = tiny.run(*where, "--measure", "--json", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        edges = json.loads(done.stdout)["cross_edges"]
        assert edges and all(e["forward_ms"] > 0 and e["backward_ms"] > 0 for e in edges)
        summary = Net(two_towers(), devices=APART).describe(2)
        summary["cross_edges"] = timed(summary["cross_edges"], [(0.25, 1.5)] * len(edges))
        assert f"MiB between devices in each step, {1.75 * len(edges):.2f} ms of copies" in str(
            summary
        )
        assert str(summary).count("  0.250 ") == len(edges)
    done = tiny.run("describe", "towers.toml", "--measure", cwd=tmp_path)
    assert "there are none here" in tiny.complaint(done)


def test_columns_are_aligned() -> None:
    lines = str(Net(two_towers()).describe(4)).splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("layer"))
    at = lines[start].index("parameters") + len("parameters")
    rows = [line for line in lines[start + 2 :] if line.startswith(("conv", "fc", "total"))]
    assert len(rows) == 8
    assert all(row[at - 1].isdigit() and row[at] == " " for row in rows)


def test_memory_grows_with_the_batch_and_with_training() -> None:
    net = Net(two_towers())

    def activations(batch: int, training: bool) -> int:
        return int(net.describe(batch, training=training)["memory"][0]["activation_bytes"])

    assert activations(32, True) > activations(16, True) > activations(16, False)


def test_an_empty_batch_raises_an_error() -> None:
    with pytest.raises(ValueError, match=r"batch"):
        Net(two_towers()).describe(0)
