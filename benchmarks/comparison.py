"""The table of step.py --peers: ours beside PyTorch, ONNX Runtime and OpenVINO, cell by cell.

A cell is a task, a net, a batch and a precision. Its rows take turns in processes of their own,
each with one warm-up step; a row's figure is the median of all its timed steps, five at least. A
peer that is below a share of the best peer in the first round cannot become the best and is not
measured again ("once"). The peers' backends are those of a file peers.py, found in
$ALEXNET_SHARED/bench or ../shared/bench; a library that is not installed has no row.
"""

from __future__ import annotations

import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

TUNED_HEAP = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(1 << 35),
    "MALLOC_TOP_PAD_": str(1 << 28),
}
PEER_NETS = {
    "alexnet": "paper",
    "alexnet-single": "one-tower",
    "torchvision-alexnet": "torchvision",
}
KEPT_SHARE = 0.8  # of the best peer's rate, after the first round


@dataclass(frozen=True)
class Row:
    name: str
    backend: str  # of peers.py; "ours"
    tuned: bool = False
    devices: str = "cpu:0"  # ours
    threads: int = 0  # ours; 0: those of the run


@dataclass(frozen=True)
class Cell:
    """`target`: ours over the best peer; for placements, the second row over the first."""

    task: str
    net: str
    batch: int
    precision: str
    target: float
    rows: tuple[Row, ...]


def _heaps(backend: str) -> tuple[Row, Row]:
    return Row(backend, backend), Row(f"{backend} tuned", backend, tuned=True)


def _training(suffix: str) -> tuple[Row, ...]:
    every = [Row("ours", "ours")]
    for backend in ("torch", "torch-nhwc", "torch-compile"):
        every += _heaps(f"{backend}{suffix}")
    return tuple(every)


def _inference(suffix: str) -> tuple[Row, ...]:
    every = [Row("ours", "ours")]
    for backend in ("torch", "torch-compile-freeze"):
        every.append(_heaps(f"{backend}{suffix}")[1])
    if not suffix:
        every.append(Row("onnxruntime", "onnxruntime"))
    return (*every, Row(f"openvino{suffix}", f"openvino-latency{suffix}"))


def _cells() -> dict[str, Cell]:
    targets = {
        "alexnet": {"train": (1.6, 2.0), "128": (1.3, 1.5), "1": (1.3, 1.2)},
        "alexnet-single": {"train": (1.3, 1.25), "128": (1.25, 1.1), "1": (1.2, 1.2)},
        "torchvision-alexnet": {"train": (1.4, 1.25)},
    }
    found = {}
    for number, precision in enumerate(("fp32", "bf16")):
        suffix = "-bf16" if number else ""
        for net, by_task in targets.items():
            for what, pair in by_task.items():
                training = what == "train"
                name = f"train/{net}" if training else f"infer-{what}/{net}"
                found[f"{name}/{precision}"] = Cell(
                    task="train" if training else "infer",
                    net=net,
                    batch=128 if training else int(what),
                    precision=precision,
                    target=pair[number],
                    rows=_training(suffix) if training else _inference(suffix),
                )
    one = Row("ours", "ours")
    towers = Row("ours on cpu:0,cpu:1", "ours", devices="cpu:0,cpu:1")
    single = Row("ours, 1 thread", "ours", threads=1)
    found["towers/alexnet/fp32"] = Cell("train", "alexnet", 128, "fp32", 0.95, (towers, one))
    found["threads/alexnet/fp32"] = Cell("train", "alexnet", 128, "fp32", 1.9, (one, single))
    return found


CELLS = _cells()


# In the child process


def load_peers() -> ModuleType:
    folder = Path(os.environ.get("ALEXNET_SHARED") or Path(__file__).parents[2] / "shared")
    path = folder / "bench" / "peers.py"
    if not path.is_file():
        raise FileNotFoundError(f"there is no {path}: set ALEXNET_SHARED to the folder above bench")
    spec = importlib.util.spec_from_file_location("peers", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["peers"] = module
    spec.loader.exec_module(module)
    return module


def make_step(cell: Cell, row: Row, batch: int, threads: int) -> Callable[[], object]:
    if row.backend != "ours":
        backend = load_peers().BACKENDS[row.backend]
        step: Callable[[], object] = backend(PEER_NETS[cell.net], cell.task, batch, threads)
        return step
    import peer

    if cell.precision == "bf16":
        return peer.step_bf16(cell.net, cell.task, batch, threads)
    return peer.step(cell.net, cell.task, batch, row.threads or threads, row.devices)


def available(row: Row, precision: str) -> bool:
    if row.backend == "ours":
        import peer

        return precision == "fp32" or hasattr(peer, "step_bf16")
    needs = ["torch"]
    needs += [name for name in ("onnxruntime", "openvino") if row.backend.startswith(name)]
    return all(importlib.util.find_spec(name) for name in needs)


# In the parent


def environment(row: Row, threads: int) -> dict[str, str]:
    env = dict(os.environ, PYTHONWARNINGS="ignore")
    for library in ("OMP", "MKL", "OPENBLAS"):
        env[f"{library}_NUM_THREADS"] = str(row.threads or threads)
    return env | (TUNED_HEAP if row.tuned else {})


def machine_seconds() -> float:
    """CPU time that all programs of the machine have used."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _, _, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def wait_for_quiet(seconds: float, limit: float = 0.05) -> None:
    """Until others use less than that share of the machine, but not longer than `seconds`."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        busy, start = machine_seconds(), time.perf_counter()
        time.sleep(0.5)
        used = (machine_seconds() - busy) / (time.perf_counter() - start) / (os.cpu_count() or 1)
        if used < limit:
            return


def in_process(
    name: str, row: Row, batch: int, threads: int, steps: int, quiet: float
) -> dict[str, Any]:
    wait_for_quiet(quiet)
    request = json.dumps([name, asdict(row), batch, threads, steps])
    command = [sys.executable, str(Path(__file__).with_name("step.py")), "--cell-row", request]
    done = subprocess.run(
        command, env=environment(row, threads), capture_output=True, text=True, check=False
    )
    if done.returncode:
        return {"error": (done.stderr.strip().splitlines() or ["no output"])[-1]}
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def steps_of(cell: Cell, row: Row, batch: int, rounds: int) -> int:
    """Timed steps of a process: five or more over all rounds; more where a step is short."""
    if cell.task == "infer" and batch == 1:
        return 40
    return max(2 if cell.task == "train" else 3, -(-5 // rounds))


def run_cell(
    name: str, *, batch: int | None, threads: int, rounds: int, quiet: float
) -> dict[str, Any]:
    """Measures a cell; prints it; returns every number."""
    cell = CELLS[name]
    images = batch or cell.batch
    rows = [row for row in cell.rows if available(row, cell.precision)]
    missing = [row.name for row in cell.rows if row not in rows]
    done: dict[str, list[dict[str, Any]]] = {row.name: [] for row in rows}
    errors: dict[str, str] = {}
    for number in range(rounds):
        for row in rows:
            if row.name in errors or (number and "compile" in row.backend and number > 1):
                continue
            if number and row.backend != "ours" and not _may_win(row, rows, done):
                continue
            steps = steps_of(cell, row, images, 2 if "compile" in row.backend else rounds)
            result = in_process(name, row, images, threads, steps, quiet)
            if "error" in result:
                errors[row.name] = result["error"]
            else:
                done[row.name].append(result)
    summaries = [_summary(row, images, done[row.name]) for row in rows if done[row.name]]
    result: dict[str, Any] = {"cell": name, "batch": images, "threads": threads, "rounds": rounds}
    result |= {"target": cell.target, "rows": summaries, "errors": errors, "not_installed": missing}
    result |= _verdict(cell, summaries)
    report(result)
    return result


def _rate(results: Sequence[dict[str, Any]]) -> float:
    return 1 / statistics.median(t for r in results for t in r["seconds"])


def _may_win(row: Row, rows: Sequence[Row], done: dict[str, list[dict[str, Any]]]) -> bool:
    peers = [r.name for r in rows if r.backend != "ours" and done[r.name]]
    best = max(_rate(done[name]) for name in peers)
    return _rate(done[row.name]) >= KEPT_SHARE * best


def _summary(row: Row, batch: int, results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    times = [t for r in results for t in r["seconds"]]
    middle = statistics.median(times)
    return {
        "row": row.name,
        "images_per_second": batch / middle,
        "spread": (max(times) - min(times)) / middle,
        "peak_bytes": max(r["peak_bytes"] for r in results),
        "others": max(r["others"] for r in results),
        "processes": len(results),
        "seconds": times,
    }


def _verdict(cell: Cell, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Ours against the best of the rest, and our memory against PyTorch eager's."""
    ours = next((r for r in rows if r["row"] == cell.rows[0].name), None)
    rest = [r for r in rows if r is not ours]
    if ours is None or not rest:
        return {}
    best = max(rest, key=lambda r: r["images_per_second"])
    found = {"best": best["row"], "ratio": ours["images_per_second"] / best["images_per_second"]}
    eager = next((r for r in rows if r["row"].removesuffix("-bf16") == "torch"), None)
    if eager:
        found["memory_ratio"] = ours["peak_bytes"] / eager["peak_bytes"]
    return found


def report(cell: dict[str, Any]) -> None:
    head = f"{cell['cell']}, batch {cell['batch']}, {cell['threads']} threads"
    print(f"{head:44} images/s  spread  peak MiB  processes  others' load")
    for row in cell["rows"]:
        once = " once" if row["processes"] == 1 and cell["rounds"] > 1 else ""
        print(
            f"  {row['row'] + once:42} {row['images_per_second']:8.2f}  {row['spread']:5.0%}  "
            f"{row['peak_bytes'] / 2**20:8.0f}  {row['processes']:9}  {row['others']:11.0%}"
        )
    for name, error in cell["errors"].items():
        print(f"  {name}: {error}")
    if cell["not_installed"]:
        print(f"  not here: {', '.join(cell['not_installed'])}")
    if "ratio" in cell:
        memory = f"; memory / eager {cell['memory_ratio']:.2f}" if "memory_ratio" in cell else ""
        print(f"  against {cell['best']}: {cell['ratio']:.2f} (target {cell['target']}){memory}")
    sys.stdout.flush()


def targets(cells: Sequence[dict[str, Any]]) -> None:
    """The table of targets; a cell without a peer has none."""
    print(f"\n{'cell':34} {'best of the rest':28} ratio  target  reached  memory")
    for cell in cells:
        if "ratio" in cell:
            reached = "yes" if cell["ratio"] >= cell["target"] else "no"
            memory = f"{cell['memory_ratio']:.2f}" if "memory_ratio" in cell else ""
            print(
                f"{cell['cell']:34} {cell['best']:28} {cell['ratio']:5.2f}  {cell['target']:6.2f}  "
                f"{reached:7}  {memory}"
            )
