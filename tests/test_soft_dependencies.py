"""The package without those of its dependencies that it can do without."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import alexnet_native

SOFT = ("simplejpeg", "tomli_w")
PACKAGE = Path(alexnet_native.__file__).parent
BLOCKED = "import sys\n" + "".join(f"sys.modules[{name!r}] = None\n" for name in SOFT)


def run(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + code], cwd=cwd, capture_output=True, text=True, timeout=300
    )


def test_every_module_is_imported_without_them(tmp_path: Path) -> None:
    # What torch is for is left out where it is not installed: nothing else may fail.
    code = f"""
import importlib, pkgutil
done = 0
for module in pkgutil.walk_packages([{str(PACKAGE)!r}], "alexnet_native."):
    if module.name.rpartition(".")[2] == "__main__":
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        if error.name != "torch":
            raise
    done += 1
print(done)
"""
    done = run(code, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 100


def test_a_training_of_jpegs_begins_and_goes_on_without_them(tmp_path: Path) -> None:
    code = """
import numpy as np
from PIL import Image
from pathlib import Path
from alexnet_native.cli import main
draws = np.random.default_rng(0)
for split in ("train", "val"):
    for label in "ab":
        Path("photos", split, label).mkdir(parents=True)
        for i in range(4):
            pixels = draws.integers(0, 256, (40, 36, 3), np.uint8)
            Image.fromarray(pixels).save(Path("photos", split, label, f"{i}.jpg"))
words = ["--data", "photos", "--net", "cifar10-quick", "--batch-size", "4", "--devices", "cpu:0"]
assert main(["train", *words, "--steps", "2", "--out", "run"]) == 0
assert main(["train", "--resume", "run", "--steps", "3"]) == 0
"""
    done = run(code, tmp_path)
    assert done.returncode == 0, done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("alexnet-native: warning: simplejpeg is not installed")
    assert "[data]" in (tmp_path / "run" / "config.toml").read_text()
