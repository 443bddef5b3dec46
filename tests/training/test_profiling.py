"""`train --profile` on the devices under test: each recorded profile is that of one whole step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tiny
from alexnet_native import _core
from alexnet_native.reports.profile import Profile
from alexnet_native.training import prepare, profiling
from alexnet_native.training.progress import Silent
from placements import APART, FIRST

RATES: _core.PeakRates = {"fp32": 1e9, "tf32": 0.0, "bf16": 0.0, "bytes": 1e9}


@pytest.fixture
def profiles(monkeypatch: pytest.MonkeyPatch) -> list[Profile]:
    """The profiles that a run creates; peak rates are not measured."""
    made: list[Profile] = []

    def record(*given: Any, **named: Any) -> Profile:
        made.append(Profile(*given, **named))
        return made[-1]

    monkeypatch.setattr(profiling, "Profile", record)
    monkeypatch.setattr(profiling, "peak_rates_of", lambda net: [RATES] * len({*net.devices}))
    return made


def train(folder: Path, **settings: Any) -> None:
    show = profiling.Profiling(Silent(), None)
    given = {
        "net": str(tiny.write_net(folder / "net.toml")),
        "data": str(tiny.write_npz(folder / "data.npz", train=80)),
        "devices": (FIRST,),
        **settings,
    }
    run = prepare(given, out=folder / "run", show=show)
    show.watch(run.net, run.config)
    run.trainer.run()


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"epochs": 1}, 5),
        ({"epochs": 2, "log_every": 1}, 5),
        ({"epochs": 2, "log_every": 2, "checkpoint_every": 2}, 5),
        ({"epochs": 6, "batch_size": 40}, 5),  # every second step is the first of its epoch
        ({"epochs": 1, "accumulate": 3}, 5),
        ({"epochs": 1, "augment": "device"}, 5),
        ({"epochs": 1, "devices": tuple(dict.fromkeys(APART)), "replicas": len({*APART})}, 5),
        ({"steps": 4}, 2),
    ],
    ids=str,
)
def test_each_recorded_profile_contains_one_step(
    tmp_path: Path, profiles: list[Profile], settings: dict[str, Any], steps: int
) -> None:
    train(tmp_path, **settings)
    (profile,) = profiles
    assert len(profile.steps) >= steps
    parts = settings.get("accumulate", 1)
    for step in profile.steps:
        tasks = [task for lane in step for task in lane["tasks"]]
        downloads = [task for task in tasks if task["what"] == "download"]
        assert len(downloads) == parts * settings.get("replicas", 1)  # and none of a checkpoint
        assert {"forward", "backward", "update"} <= {task["phase"] for task in tasks}
    assert "median of" in str(profile)
