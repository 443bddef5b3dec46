"""benchmarks/gpu_check.sh: what it asks before it builds."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu_check.sh"


def check(folder: Path, core: str) -> subprocess.CompletedProcess[str]:
    """Runs the script with a package of which only the native core can be imported."""
    package = folder / "alexnet_native"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "config.py").write_text("import a_small_package_that_is_missing\n")
    (package / "cli.py").write_text("import alexnet_native.config\n")
    (package / "_core.py").write_text(core)
    (package / "gpu_check.py").write_text("print('checked')\n")
    python = folder / "python"
    python.write_text(
        '#!/bin/sh\nif [ "$2" = pip ]; then echo built; exit 0; fi\n'
        f'exec {shlex.quote(sys.executable)} "$@"\n'
    )
    python.chmod(0o755)
    environment = {**os.environ, "PYTHON": str(python), "PYTHONPATH": str(folder)}
    return subprocess.run(
        ["bash", str(SCRIPT)], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_a_back_end_that_is_there_is_not_built_again(tmp_path: Path) -> None:
    done = check(tmp_path, "def devices(): return [{'name': 'cpu:0'}, {'name': 'cuda:0'}]\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "checked\n", "")


@pytest.mark.parametrize(
    ("core", "said"),
    [
        (
            "def devices(): return [{'name': 'cpu:0'}]\n"
            "def unavailable_backends(): return [{'name': 'cuda', 'reason': 'no driver'}]\n",
            "there is no cuda:0\ncuda: no driver\n",
        ),
        ("raise ImportError('libcudart.so.13 is not found')\n", "libcudart.so.13 is not found"),
    ],
    ids=["no device", "no core"],
)
def test_what_is_missing_is_said_before_it_is_built(tmp_path: Path, core: str, said: str) -> None:
    done = check(tmp_path, core)
    assert done.returncode == 0 and said in done.stderr
    assert done.stdout.splitlines()[0].startswith("building the CUDA back end for sm_")
    assert done.stdout.splitlines()[1:] == ["built", "checked"]
