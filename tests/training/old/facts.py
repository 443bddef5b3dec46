"""Prints what the runs of two versions must have in common, as JSON.

Usage: python facts.py RUN DATA CHECKPOINT; the last is a checkpoint of the middle of the run.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from alexnet_native import Net
from numpy.typing import NDArray
from safetensors.numpy import load_file

TIMES = ("images_per_second", "loader")


def sha256(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, without what depends on the clock."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return [{k: v for k, v in record.items() if k not in TIMES} for record in records]


def predicted(checkpoint: Path, data: Path) -> str:
    with np.load(data) as arrays:
        images = arrays["x_val"]
    return sha256(Net.load(checkpoint, devices=("cpu:0",), threads=1).predict(images, views=10))


def facts(run: Path, data: Path, middle: Path) -> dict[str, Any]:
    latest = run / "checkpoints" / "latest"
    return {
        "tensors": {name: sha256(value) for name, value in sorted(load_file(latest).items())},
        "predictions": {"middle": predicted(middle, data), "end": predicted(latest, data)},
        "links": {name: (latest.parent / name).readlink().name for name in ("best", "latest")},
        "metrics": lines(run / "metrics.jsonl"),
        "parameters": lines(run / "parameters.jsonl"),
        "evaluation": json.loads((run / "evaluation.json").read_text())["results"],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(facts(*map(Path, sys.argv[1:4])), indent=1) + "\n")
