"""Training and prediction on a CPU: this library beside PyTorch, ONNX Runtime and OpenVINO.

    pip install ".[bench]"
    python benchmarks/comparison.py --json comparison.json     all tables of docs/performance.md
    python benchmarks/comparison.py --quick                    a test run of about a minute
    python benchmarks/comparison.py --cells train/alexnet/fp32 --rounds 3

Prints Markdown on standard output and progress on standard error. A cell is a task, a network, a
batch size and a precision. Each row of a cell is timed in processes of its own, the rows take turns
round after round, and each process begins with steps that are not timed. A round's time is the
median of the steps of its process, a row's rate comes from the median of its rounds. After the
first round, rows below 0.8 of the best other one cannot become the best and are left out. A row
whose library is not installed, or which fails, is named below the tables with the reason.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import timing
from comparison_tables import tables

# glibc then keeps freed memory instead of returning it to the system and clearing it again at the
# next allocation: PyTorch allocates in every step and gains much.
TUNED_HEAP = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 35),
    "MALLOC_TOP_PAD_": str(1 << 28),
}
KEPT_SHARE = 0.8  # of the best other row's rate, after the first round
OURS = "alexnet-native"
PACKAGES = {  # the packages that a library's rows import
    "PyTorch": ("torch",),
    "ONNX Runtime": ("onnxruntime", "onnx"),
    "OpenVINO": ("openvino", "onnx"),
}


@dataclass(frozen=True)
class Row:
    name: str
    library: str = OURS
    channels_last: bool = False
    compiled: bool = False
    tuned: bool = False
    devices: str = "cpu:0"
    threads: int = 0  # 0: the number that the command line gives


@dataclass(frozen=True)
class Cell:
    """The first row is ours; `goal` is its rate over the best of the other rows."""

    task: str
    net: str
    batch: int
    precision: str
    goal: float
    rows: tuple[Row, ...]
    steps: int  # timed in each process
    scaling: bool = False  # compares this library with itself


def _training() -> tuple[Row, ...]:
    rows = [Row(OURS)]
    for name, form in {
        "PyTorch eager": {},
        "PyTorch channels_last": {"channels_last": True},
        "torch.compile": {"compiled": True},
    }.items():
        rows.append(Row(name, "PyTorch", **form))
        rows.append(Row(f"{name}, tuned heap", "PyTorch", tuned=True, **form))
    return tuple(rows)


def _prediction(precision: str) -> tuple[Row, ...]:
    rows = [
        Row(OURS),
        Row("PyTorch eager, tuned heap", "PyTorch", tuned=True),
        Row("PyTorch channels_last, tuned heap", "PyTorch", channels_last=True, tuned=True),
        Row("torch.compile, frozen, tuned heap", "PyTorch", compiled=True, tuned=True),
    ]
    if precision == "fp32":  # ONNX Runtime has no bfloat16 convolution for CPUs
        rows.append(Row("ONNX Runtime", "ONNX Runtime"))
    return (*rows, Row("OpenVINO", "OpenVINO"))


def _cells() -> dict[str, Cell]:
    # Goals in fp32 and in bf16, set by the authors before the table was first measured; for
    # cifar10-quick: not slower than the best other row.
    goals = {
        "train": {
            "alexnet": (1.6, 2.0),
            "alexnet-single": (1.3, 1.25),
            "torchvision-alexnet": (1.4, 1.25),
            "cifar10-quick": (1.0, 1.0),
        },
        "infer-128": {
            "alexnet": (1.3, 1.5),
            "alexnet-single": (1.25, 1.1),
            "cifar10-quick": (1.0, 1.0),
        },
        "infer-1": {
            "alexnet": (1.3, 1.2),
            "alexnet-single": (1.2, 1.2),
            "cifar10-quick": (1.0, 1.0),
        },
    }
    found = {}
    for number, precision in enumerate(("fp32", "bf16")):
        for use, by_net in goals.items():
            for net, pair in by_net.items():
                task, _, batch = use.partition("-")
                short = net == "cifar10-quick" or batch == "1"
                found[f"{use}/{net}/{precision}"] = Cell(
                    task=task,
                    net=net,
                    batch=int(batch or 128),
                    precision=precision,
                    goal=pair[number],
                    rows=_training() if task == "train" else _prediction(precision),
                    steps=40 if short else 3,
                )
    one = Row("one device")
    single = Row("1 thread", threads=1)
    towers = Row("two towers on cpu:0,cpu:1", devices="cpu:0,cpu:1")
    for name, goal, rows in (
        ("threads", 1.9, (Row("all threads"), single)),
        ("towers", 0.95, (towers, one)),
    ):
        found[f"{name}/alexnet/fp32"] = Cell(
            "train", "alexnet", 128, "fp32", goal, rows, steps=3, scaling=True
        )
    return found


CELLS = _cells()
QUICK = (
    "train/alexnet/fp32", "train/cifar10-quick/fp32", "infer-1/alexnet/fp32",
    "infer-128/cifar10-quick/fp32",
)  # fmt: skip


# In the child process


def make_step(cell: Cell, row: Row, batch: int, threads: int) -> Callable[[], object]:
    if row.library == OURS:
        import peer

        return peer.step(cell.net, cell.task, batch, threads, row.devices, cell.precision)
    import frameworks

    form = {}
    if row.library == "PyTorch":
        form = {"channels_last": row.channels_last, "compiled": row.compiled}
    step = frameworks.STEPS[row.library]
    return step(cell.net, cell.task, batch, threads, cell.precision, **form)


def measure_row(
    cell: str, row: dict[str, Any], batch: int, threads: int, steps: int
) -> dict[str, Any]:
    step = make_step(CELLS[cell], Row(**row), batch, threads)
    return timing.measure(step, steps, warm_up=5 if steps > 10 else 1)


# In the parent


@dataclass(frozen=True)
class Settings:
    threads: int
    rounds: int
    batch: int | None  # of every cell with more than one image; None: its own
    against: tuple[str, ...]
    compiled: bool  # measure compiled rows
    most_steps: int
    quiet: float


def missing(library: str) -> str | None:
    """Why a library's rows cannot be measured; None: they can."""
    absent = [name for name in PACKAGES.get(library, ()) if importlib.util.find_spec(name) is None]
    if absent:
        return f"{' and '.join(absent)} not installed (pip install '.[bench]')"
    return None


def in_process(
    name: str, row: Row, batch: int, threads: int, steps: int, quiet: float
) -> dict[str, Any]:
    """What `measure_row` returns from a process of its own, or the "error" it ended with."""
    timing.wait_for_quiet(quiet)
    env = dict(os.environ, PYTHONWARNINGS="ignore")
    for library in ("OMP", "MKL", "OPENBLAS"):
        env[f"{library}_NUM_THREADS"] = str(threads)
    if row.tuned:
        env |= TUNED_HEAP
    request = json.dumps([name, asdict(row), batch, threads, steps])
    command = [sys.executable, str(Path(__file__)), "--measure", request]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        return {"error": lines[-1]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def run_cell(name: str, settings: Settings) -> dict[str, Any]:
    """Measures a cell and returns every number of it."""
    cell = CELLS[name]
    batch = settings.batch if settings.batch and cell.batch > 1 else cell.batch
    rows, left_out = [], {}
    for row in cell.rows:
        if row.library != OURS and row.library not in settings.against:
            continue
        if reason := missing(row.library):
            left_out[row.name] = reason
        elif row.compiled and not settings.compiled:
            left_out[row.name] = "compiling takes too long for a quick run"
        else:
            rows.append(row)
    done: dict[str, list[dict[str, Any]]] = {row.name: [] for row in rows}
    for number in range(settings.rounds):
        for row in rows if number % 2 == 0 else rows[::-1]:
            if row.name in left_out:
                continue
            if number and row.library != OURS and not _may_win(row, rows, done):
                continue
            threads = row.threads or settings.threads
            steps = min(cell.steps, settings.most_steps)
            result = in_process(name, row, batch, threads, steps, settings.quiet)
            if "error" in result:
                left_out[row.name] = result["error"]
                done[row.name].clear()
            else:
                done[row.name].append(result)
    import peer

    flops = peer.flops(cell.net, cell.task)
    found: dict[str, Any] = {
        "cell": name, **{k: getattr(cell, k) for k in ("task", "net", "precision", "goal")},
        "scaling": cell.scaling, "batch": batch, "ours": cell.rows[0].name,
        "rows": [_summary(row, batch, flops, done[row.name]) for row in rows if done[row.name]],
        "left_out": left_out,
    }  # fmt: skip
    return found | _verdict(found)


def _seconds(results: Iterable[dict[str, Any]]) -> list[float]:
    """The time of each round: the median of its steps."""
    return [statistics.median(result["seconds"]) for result in results]


def _may_win(row: Row, rows: Sequence[Row], done: dict[str, list[dict[str, Any]]]) -> bool:
    """Whether the first round was within reach of the best other row's."""
    first = {
        r.name: _seconds(done[r.name][:1])[0] for r in rows if r.library != OURS and done[r.name]
    }
    return row.name in first and min(first.values()) >= KEPT_SHARE * first[row.name]


def _summary(row: Row, batch: int, flops: int, results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    times = [t for result in results for t in result["seconds"]]
    rounds = _seconds(results)
    rate = batch / statistics.median(rounds)
    return {
        "row": row.name,
        "images_per_second": rate,
        "gflops": rate * flops / 1e9,
        "spread": (max(times) - min(times)) / statistics.median(times),
        "peak_bytes": max(result["peak_bytes"] for result in results),
        "others": max(result["others"] for result in results),
        "rounds": rounds,
        "seconds": times,
    }


def _verdict(cell: dict[str, Any]) -> dict[str, Any]:
    """Our row against the best of those measured in all rounds, and its memory against eager's."""
    ours = next((row for row in cell["rows"] if row["row"] == cell["ours"]), None)
    if ours is None:
        return {}
    rest = [
        row for row in cell["rows"] if row is not ours and len(row["rounds"]) == len(ours["rounds"])
    ]
    found: dict[str, Any] = {}
    if rest:
        best = max(rest, key=lambda row: row["images_per_second"])
        ratio, interval = timing.ratio(best["rounds"], ours["rounds"])
        found |= {"best": best["row"], "ratio": ratio, "interval": interval}
    eager = next((row for row in cell["rows"] if row["row"] == "PyTorch eager"), None)
    if eager:
        found["memory_ratio"] = ours["peak_bytes"] / eager["peak_bytes"]
    return found


def report(cell: dict[str, Any], rounds: int) -> None:
    """A cell's rows, as progress."""
    head = f"{cell['cell']}, batch {cell['batch']}"
    print(f"{head:38} images/s  GFLOP/s  spread  peak MiB  others' load", file=sys.stderr)
    for row in cell["rows"]:
        once = ", first round" if len(row["rounds"]) < rounds else ""
        print(
            f"  {row['row'] + once:36} {row['images_per_second']:8.1f}  {row['gflops']:7.1f}  "
            f"{row['spread']:6.0%}  {row['peak_bytes'] / 2**20:8.0f}  {row['others']:12.0%}",
            file=sys.stderr,
        )
    for name, reason in cell["left_out"].items():
        print(f"  {name}: {reason}", file=sys.stderr)


def machine(settings: Settings) -> dict[str, str]:
    """Date, processor, versions and settings, as the text above the tables gives them."""
    versions = [f"Python {platform.python_version()}", f"{OURS} {importlib.metadata.version(OURS)}"]
    for library in settings.against:
        package = PACKAGES[library][0]
        if importlib.util.find_spec(package):
            versions.append(f"{library} {importlib.metadata.version(package)}")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "processor": timing.processor(),
        "versions": ", ".join(versions),
        "settings": f"threads: {settings.threads}, rounds: {settings.rounds}"
        + ("" if settings.compiled else ", a quick run (no result)"),
    }


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--cells", nargs="+", choices=list(CELLS), metavar="CELL",
        help=f"cells to measure (default: all): {', '.join(CELLS)}",
    )  # fmt: skip
    parser.add_argument(
        "--against", nargs="*", choices=list(PACKAGES), default=list(PACKAGES), metavar="LIBRARY",
        help="other libraries to measure (default: all): " + ", ".join(map(repr, PACKAGES)),
    )  # fmt: skip
    parser.add_argument(
        "--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N",
        help="number of CPU threads (default: one for each core, here %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--rounds", type=int, choices=range(1, timing.MAX_ROUNDS + 1), metavar="N",
        help=f"number of processes for each row, 1 to {timing.MAX_ROUNDS} "
        "(default: 5; with --quick 1)",
    )  # fmt: skip
    parser.add_argument(
        "--batch", type=int, metavar="N",
        help="number of images in a step, except in cells of one image "
        "(default: 128; with --quick 16)",
    )  # fmt: skip
    parser.add_argument(
        "--quiet", type=float, metavar="S",
        help="seconds to wait at most, before each process, until other programs use less than "
        "5 %% of the machine (default: 20; with --quick 0)",
    )  # fmt: skip
    parser.add_argument(
        "--quick", action="store_true",
        help="four cells, few steps, small batches, no compiled rows: a test of this program, "
        "not a result (default: off)",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="file for every number")
    parser.add_argument(
        "--resume", action="store_true",
        help="keep the cells that the file of --json has (default: off)",
    )  # fmt: skip
    args = parser.parse_args(arguments)
    if args.resume and args.json is None:
        parser.error("--resume needs --json FILE")
    return args


def stored_cells(file: Path, about: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The cells of an earlier run on the same machine, with the same versions and settings."""
    if not file.is_file():
        return {}
    stored = json.loads(file.read_text())
    for key in ("processor", "versions", "settings"):
        if stored["machine"][key] != about[key]:
            sys.exit(f"{file}: measured with {stored['machine'][key]}; this run has {about[key]}")
    return {cell["cell"]: cell for cell in stored["cells"]}


def main(arguments: Sequence[str] | None = None) -> int:
    args = parse(arguments)
    quick = args.quick
    settings = Settings(
        threads=args.threads,
        rounds=args.rounds or (1 if quick else 5),
        batch=args.batch or (16 if quick else None),
        against=tuple(args.against),
        compiled=not quick,
        most_steps=2 if quick else 1000,
        quiet=(0 if quick else 20) if args.quiet is None else args.quiet,
    )
    about = machine(settings)
    done = stored_cells(args.json, about) if args.resume else {}
    names = args.cells or (QUICK if quick else list(CELLS))
    for name in names:
        if name not in done:
            done[name] = run_cell(name, settings)
            if args.json:  # after each cell, so that --resume can continue
                text = json.dumps({"machine": about, "cells": list(done.values())}, indent=1)
                args.json.write_text(text + "\n")
        report(done[name], settings.rounds)
    print(tables([done[name] for name in names], about))
    failed = [name for name in names if done[name]["ours"] in done[name]["left_out"]]
    return 1 if failed else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure_row(*json.loads(sys.argv[2]))))
    else:
        sys.exit(main())
