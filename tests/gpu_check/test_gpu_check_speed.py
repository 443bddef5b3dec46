"""The check of a GPU, part "speed": its cells, in which order, and who stands beside whom."""

from __future__ import annotations

import importlib.util
import sys
import types
from typing import Any

import numpy as np
import pytest
from alexnet_native.gpu_check import contestants, speed
from alexnet_native.gpu_check.contestants import Contestant, RandomBatch
from alexnet_native.gpu_check.speed import Cell
from alexnet_native.models import describe
from check_settings import NET, settings

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="PyTorch is not installed"
)
LIMITS = {"fp32": 1e9, "tf32": 0.0, "bf16": 1e9, "bytes": 1e9}
ALL = ("eager", "channels_last", "compile", "compile channels_last")


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """PyTorch's forms, each a step that does nothing; and which were made, in order."""
    made: list[tuple[str, ...]] = []

    def stand_in(
        peer: str, net: str, precision: str, batch: RandomBatch, device: str
    ) -> Contestant:
        made.append((net, precision, peer))
        return Contestant(lambda: None, lambda: None, "pinned")

    monkeypatch.setattr(speed, "find_spec", lambda name: True)
    monkeypatch.setattr(speed, "_ROUNDS", 1)
    monkeypatch.setattr(speed, "_STEPS", 1)
    monkeypatch.setattr(speed, "torchs", stand_in)
    monkeypatch.setattr(contestants, "_module", lambda net: (None, describe(net).input_shape))
    monkeypatch.setattr(speed._core, "measure_peak_rates", lambda device: LIMITS)
    return made


def test_the_first_cell_has_its_compiled_forms_at_once_and_the_others_last(
    peers: list[tuple[str, ...]],
) -> None:
    given = settings(precisions=("bf16", "fp32"), batches=(2, 1), peers=ALL)
    _, *rows = speed.speed(given)
    cells = [str(Cell(*words)) for words in ((2, NET, "bf16"), (2, NET, "fp32"),
                                             (1, NET, "bf16"), (1, NET, "fp32"))]  # fmt: skip
    first, *others = cells
    compiled = [f", {peer}" for peer in ALL[2:]]
    assert [row["what"] for row in rows] == [
        first, *(first + how for how in compiled),
        *others, *(cell + how for cell in others for how in compiled),
    ]  # fmt: skip
    # A compiled form has only ours beside it: those before it were compiled by what is forgotten.
    for found in rows:
        sides = set(found["numbers"]) - {"ratio", "floor"}
        _, _, how = found["what"].partition(", compile")
        peer = found["what"].rpartition(", ")[2]
        assert sides == ({"ours", peer} if peer.startswith("compile") else {"ours", *ALL[:2]}), how
        assert "images ours: " in found["figure"] and "PyTorch: pinned" in found["figure"]
    assert peers[0] == (NET, "bf16", "eager")


def test_the_batch_is_drawn_once_for_all_sides(
    peers: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[str, int]] = []
    real = RandomBatch.__init__

    def draw(self: RandomBatch, net: str, images: int, *, for_torch: bool) -> None:
        drawn.append((net, images))
        real(self, net, images, for_torch=for_torch)

    monkeypatch.setattr(RandomBatch, "__init__", draw)
    list(speed.speed(settings(precisions=("bf16", "fp32"), batches=(2, 1), peers=ALL[:2])))
    assert drawn == [(NET, 2), (NET, 1)]


def test_images_of_both_sizes_are_parts_of_one_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contestants, "_module", lambda net: (None, (3, 33, 34)))
    batch = RandomBatch(NET, 2, for_torch=True)
    small, large = batch.images((3, 32, 32)), batch.images((3, 33, 34))
    assert small.shape == (2, 3, 32, 32) and large.shape == (2, 3, 33, 34)
    assert np.shares_memory(small, large) and small.flags.c_contiguous and large.flags.c_contiguous
    assert batch.labels.shape == (2,)


@pytest.mark.parametrize(("peer", "resets"), [("eager", 0), ("compile", 1)])
def test_the_compiler_begins_anew_for_each_compiled_form(
    monkeypatch: pytest.MonkeyPatch, peer: str, resets: int
) -> None:
    order: list[str] = []
    stand_in: Any = types.ModuleType("torch_net")
    stand_in.torch_device = lambda device: "cpu"
    stand_in.forget_compiled = lambda: order.append("forget")

    class Step:
        def __init__(self, module: object, images: Any, labels: Any, **words: Any) -> None:
            order.append(f"compiled: {words['compiled']}")
            assert module == [1.0] and module is not weights

        def finish(self) -> None: ...

    stand_in.Step = Step
    weights = [1.0]
    monkeypatch.setitem(sys.modules, "alexnet_native.interop.torch_net", stand_in)
    monkeypatch.setattr(contestants, "_module", lambda net: (weights, (3, 32, 32)))
    side = contestants.torchs(peer, NET, "fp32", RandomBatch(NET, 1, for_torch=True), "cuda:0")
    assert order == ["forget"] * resets + [f"compiled: {bool(resets)}"]
    assert side.feed == "in place"


def test_forgetting_is_the_compilers_own_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    resets: list[int] = []
    torch: Any = types.ModuleType("torch")
    torch.Tensor = object
    torch.nn = types.ModuleType("torch.nn")
    torch.nn.Module = object
    torch._dynamo = types.ModuleType("torch._dynamo")
    torch._dynamo.reset = lambda: resets.append(1)
    for module in (torch, torch.nn, torch._dynamo):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    spec = importlib.util.find_spec("alexnet_native.interop.torch_net")
    assert spec is not None and spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    fresh.forget_compiled()
    assert resets == [1]


def test_a_precision_that_is_not_there_and_a_peer_that_fails_are_said(
    peers: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("no such kernel\nand more")

    monkeypatch.setattr(speed, "torchs", fail)
    rows = list(speed.speed(settings(precisions=("fp64x", "fp32"), peers=("eager",))))
    assert "fp64x" in rows[1]["figure"] and not rows[1]["numbers"]
    assert "no eager (no such kernel)" in rows[2]["figure"] and "ratio" not in rows[2]["numbers"]


def test_a_cell_in_which_our_step_fails_is_a_failure_and_the_next_one_is_measured(
    peers: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = speed.ours

    def fail_once(net: Any, batch: RandomBatch) -> Contestant:
        if net.precision == "bf16":
            raise speed._core.DeviceError("no memory")
        return real(net, batch)

    monkeypatch.setattr(speed, "ours", fail_once)
    _, first, second = speed.speed(settings(precisions=("bf16", "fp32")))
    assert first["ok"] is False and first["figure"] == "no memory"
    assert second["ok"] is None and second["numbers"]["ours"] > 0


def test_cells_without_time_are_left_out_and_said_to_be(peers: list[tuple[str, ...]]) -> None:
    _, *rows = speed.speed(settings(seconds=1e-6, batches=(1, 2, 3), peers=("eager", "compile")))
    assert [(row["what"], row["figure"].partition(" for")[0]) for row in rows] == [
        ("cells", "1 left out"), ("cells", "2 left out"), ("cells, compile", "2 left out"),
    ]  # fmt: skip
    assert f"starting with {NET}, fp32, batch 2" in rows[1]["figure"]


@pytest.mark.slow
@needs_torch
def test_speed_compares_each_cell_with_pytorch() -> None:
    limits, cell = speed.speed(settings(peers=("eager", "channels_last")))
    assert limits["numbers"]["fp32"] > 0
    assert cell["what"] == f"{NET}, fp32, batch 2" and cell["ok"] is None
    numbers = cell["numbers"]
    best = max(numbers["eager"], numbers["channels_last"])
    assert numbers["ratio"] == pytest.approx(numbers["ours"] / best)
    assert "x PyTorch" in cell["figure"] and numbers["floor"] > 0
