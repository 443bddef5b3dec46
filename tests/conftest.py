"""Fixtures of all tests: the devices to run on, the precisions, the shared data."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from alexnet_native import Net
from alexnet_native.reports.gradcheck import gradcheck
from placements import DEVICES, FIRST

for place in (Net.__init__, Net.load.__func__, gradcheck):  # type: ignore[attr-defined]
    place.__kwdefaults__["devices"] = (FIRST,)


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> str:
    """Each device named in ALEXNET_TEST_DEVICES."""
    return str(request.param)


@pytest.fixture(params=["fp32", "fp64", "bf16"])
def precision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with data sets and weights: ALEXNET_SHARED, or `shared` beside the tree."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("ALEXNET_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"no shared data at {folder}: set ALEXNET_SHARED")
    return folder
