"""What a command imports: help is immediate, and a training imports only what it uses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tiny

CODE = """
import json, sys
from alexnet_native.cli import main
try:
    main(sys.argv[1:])
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def imported(*words: str) -> set[str]:
    ran = subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True)
    return set(json.loads(ran.stderr.splitlines()[-1]))


def of_the_package(modules: set[str]) -> list[str]:
    return [name for name in modules if name.partition(".")[0] == "alexnet_native"]


@pytest.mark.parametrize("words", [("--help",), ("train", "--help"), ("predict", "--help")])
def test_help_imports_few_modules_and_neither_numpy_nor_the_core(words: tuple[str, ...]) -> None:
    modules = imported(*words)
    assert "alexnet_native.cli" in modules
    assert len(of_the_package(modules)) <= 15
    assert not {"numpy", "alexnet_native._core"} & modules


def test_a_training_imports_at_most_70_modules_of_the_package(tmp_path: Path) -> None:
    net, data = tiny.write_net(tmp_path / "net.toml"), tiny.write_npz(tmp_path / "data.npz")
    out = str(tmp_path / "run")
    modules = imported(
        "train", "--net", str(net), "--data", str(data), "--steps", "2", "--out", out
    )
    assert "alexnet_native.training.trainer" in modules
    assert len(of_the_package(modules)) <= 70
