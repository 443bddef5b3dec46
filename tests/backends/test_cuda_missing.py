"""What ``devices`` says where the CUDA back end, or something that it needs, is missing.

The module and its libraries are stand-ins, compiled here; ALEXNET_CUDA_MODULE names the module.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

COMPILER = shutil.which(os.environ.get("CC", "cc"))
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="needs a C compiler")

OLD_MODULE = """
struct module { unsigned long long interface, ops; void* api; };
static struct module module = {1, 2, 0};
struct module* alexnet_backend_module(void* host) { return &module; }
"""


def compiled(path: Path, text: str, *libraries: Path) -> Path:
    source = path.with_suffix(".c")
    source.write_text(text)
    assert COMPILER
    subprocess.run(
        [COMPILER, "-shared", "-fPIC", f"-Wl,-soname,{path.name}", "-o", path, source, *libraries],
        check=True,
    )
    return path


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(tmp_path: Path) -> Run:
    """Runs ``alexnet-native`` with that module, and with `tmp_path`/packages importable."""

    def run(module: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        paths = [str(tmp_path / "packages"), *sys.path]
        return subprocess.run(
            [sys.executable, "-m", "alexnet_native", *arguments],
            env={
                **os.environ,
                "ALEXNET_CUDA_MODULE": str(module),
                "PYTHONPATH": os.pathsep.join(paths),
            },
            capture_output=True,
            text=True,
        )

    return run


def reason(run: Run, module: Path) -> str:
    done = run(module, "devices")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("cuda")]
    return line.partition("not available: ")[2]


def test_no_module(command: Run, tmp_path: Path) -> None:
    said = reason(command, tmp_path / "none.so")
    assert "no CUDA back end" in said and "ALEXNET_CUDA=WHEELS" in said


def test_using_a_missing_device_is_one_sentence_and_a_failure(command: Run, tmp_path: Path) -> None:
    done = command(
        tmp_path / "none.so", "train", "--data", "demo", "--devices", "cuda:0", "--out",
        str(tmp_path / "run"),
    )  # fmt: skip
    assert done.returncode == 1 and "no CUDA back end" in done.stderr
    assert "Traceback" not in done.stderr and not (tmp_path / "run").exists()


def test_a_file_that_is_no_library(command: Run, tmp_path: Path) -> None:
    (tmp_path / "module.so").write_text("nothing")
    assert "could not be loaded" in reason(command, tmp_path / "module.so")


@needs_compiler
def test_a_library_that_is_no_back_end(command: Run, tmp_path: Path) -> None:
    module = compiled(tmp_path / "module.so", "int nothing;")
    assert "is not a back end of this library" in reason(command, module)


@needs_compiler
def test_a_module_of_another_version(command: Run, tmp_path: Path) -> None:
    module = compiled(tmp_path / "module.so", OLD_MODULE)
    assert "built from a different version" in reason(command, module)


@needs_compiler
def test_a_library_that_the_module_needs(command: Run, tmp_path: Path) -> None:
    needed = compiled(tmp_path / "libneeded.so.13", "int needed;")
    module = compiled(
        tmp_path / "module.so", OLD_MODULE + "extern int needed; int f() {return needed;}", needed
    )
    needed.unlink()
    said = reason(command, module)
    assert "needs libneeded.so.13" in said and 'pip install "alexnet-native[cuda]"' in said


@needs_compiler
def test_libraries_in_nvidias_wheels_are_found(command: Run, tmp_path: Path) -> None:
    """Also one that another of them needs."""
    folder = tmp_path / "packages" / "nvidia" / "cu13" / "lib"
    folder.mkdir(parents=True)
    deeper = compiled(folder / "libdeeper.so.13", "int deeper = 1;")
    needed = compiled(
        folder / "libneeded.so.13", "extern int deeper; int needed() {return deeper;}", deeper
    )
    module = compiled(
        tmp_path / "module.so", OLD_MODULE + "int needed(); int f() {return needed();}", needed
    )
    assert "built from a different version" in reason(command, module)  # so it was opened
    deeper.unlink()
    assert "needs libdeeper.so.13" in reason(command, module)
