"""Times a training step, ours beside PyTorch's, on the CPU at hand.

    python benchmarks/step.py                              the three nets, batch 128, 2 threads
    python benchmarks/step.py --nets alexnet --rounds 7 --json step.json
    python benchmarks/step.py --peers --json peers.json --resume    see comparison.py
    python benchmarks/step.py --cell train/alexnet/fp32 infer-1/alexnet/fp32

Each measurement runs in a process of its own; the rows take turns, round after round, and each
row reports the median of its rounds. Both sides do the same work: loss, all gradients, dropout,
momentum and weight decay, update, 1000 classes. "tuned" rows tell glibc never to return memory,
which suits PyTorch better than its default. Without PyTorch only our rows are measured.
"others' load" is the share of the machine that other programs took meanwhile: trust a table only
where it is small.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import comparison
import numpy as np
from comparison import TUNED_HEAP, machine_seconds

ROWS = {  # name: (channels_last, compiled, tuned heap); None is ours
    "ours": None,
    "torch": (False, False, False),
    "torch tuned": (False, False, True),
    "torch channels_last": (True, False, False),
    "torch channels_last tuned": (True, False, True),
    "torch compile": (False, True, False),
    "torch compile tuned": (False, True, True),
}
NETS = ("alexnet", "alexnet-single", "torchvision-alexnet")


def make_step(row: str, net: str, batch: int, threads: int) -> Callable[[], object]:
    if (settings := ROWS[row]) is None:
        import peer

        return peer.step(net, "train", batch, threads)
    return torch_step(net, batch, threads, channels_last=settings[0], compiled=settings[1])


def torch_step(
    net: str, batch: int, threads: int, *, channels_last: bool, compiled: bool
) -> Callable[[], object]:
    import peer
    import torch
    from alexnet_native.interop.torch_net import Step, build
    from alexnet_native.models import describe

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model, shape = build(describe(peer.NETS.get(net, net)))
    rng = np.random.default_rng(1)
    images = rng.standard_normal((batch, *shape), dtype=np.float32)
    labels = rng.integers(0, 1000, batch)
    return Step(
        model, images, labels, lr=peer.LR, momentum=peer.MOMENTUM, decay=peer.WEIGHT_DECAY,
        channels_last=channels_last, compiled=compiled,
    )  # fmt: skip


def own_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def peak_bytes() -> int:
    """The largest resident size of this process so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def measure(step: Callable[[], object], steps: int, warm_up: int = 1) -> dict[str, Any]:
    """In the child process: the seconds of each of `steps`, after those of warm-up."""
    for _ in range(warm_up):
        step()
    busy, own, began = machine_seconds(), own_seconds(), time.perf_counter()
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    wall = time.perf_counter() - began
    others = machine_seconds() - busy - (own_seconds() - own)
    return {
        "seconds": times,
        "peak_bytes": peak_bytes(),
        "others": max(0.0, others / wall / (os.cpu_count() or 1)),
    }


def in_process(row: str, args: argparse.Namespace, net: str) -> dict[str, Any]:
    settings = ROWS[row]
    env = dict(os.environ)
    for library in ("OMP", "MKL", "OPENBLAS"):
        env[f"{library}_NUM_THREADS"] = str(args.threads)
    if settings and settings[2]:
        env.update(TUNED_HEAP)
    request = json.dumps([row, net, args.batch, args.threads, args.steps])
    command = [sys.executable, __file__, "--measure", request]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{row}, {net}: {(done.stderr.strip().splitlines() or ['no output'])[-1]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def summary(row: str, net: str, batch: int, rounds: list[dict[str, Any]]) -> dict[str, Any]:
    import peer

    times = [statistics.median(r["seconds"]) for r in rounds]
    seconds = statistics.median(times)
    flops = peer.train_flops(peer.network(net, 1))
    return {
        "net": net,
        "row": row,
        "images_per_second": batch / seconds,
        "spread": (max(times) - min(times)) / seconds,
        "gflops": flops * batch / seconds / 1e9,
        "peak_bytes": max(r["peak_bytes"] for r in rounds),
        "others": max(r["others"] for r in rounds),
        "rounds": times,
    }


def report(rows: list[dict[str, Any]]) -> None:
    ours = next((r for r in rows if r["row"] == "ours"), None)
    print(f"{rows[0]['net']:26} images/s  spread  GFLOP/s  peak MiB  ours/row  others' load")
    for row in rows:
        ratio = ours["images_per_second"] / row["images_per_second"] if ours else float("nan")
        print(
            f"  {row['row']:24} {row['images_per_second']:8.2f}  {row['spread']:5.0%}  "
            f"{row['gflops']:7.1f}  {row['peak_bytes'] / 2**20:8.0f}  {ratio:8.2f}  "
            f"{row['others']:11.0%}"
        )
    peers = [r for r in rows if r["row"] != "ours"]
    if ours and peers:
        best = max(peers, key=lambda r: r["images_per_second"])
        ratio = ours["images_per_second"] / best["images_per_second"]
        memory = ours["peak_bytes"] / next(r for r in rows if r["row"] != "ours")["peak_bytes"]
        print(
            f"  ours / best peer ({best['row']}): {ratio:.2f}; "
            f"peak memory / {peers[0]['row']}: {memory:.2f}"
        )


def chosen_rows(names: list[str] | None) -> list[str]:
    rows = names or [row for row in ROWS if "compile" not in row]
    if any(row != "ours" for row in rows) and importlib.util.find_spec("torch") is None:
        print("PyTorch is not installed, so only our rows are measured.", file=sys.stderr)
        rows = [row for row in rows if row == "ours"]
    return rows


def measure_cell_row(
    cell: str, row: dict[str, Any], batch: int, threads: int, steps: int
) -> dict[str, Any]:
    step = comparison.make_step(comparison.CELLS[cell], comparison.Row(**row), batch, threads)
    return measure(step, steps, warm_up=5 if steps > 10 else 1)


def compare(args: argparse.Namespace) -> None:
    """Each cell is written as soon as it is done, so that a run can be resumed."""
    comparison.load_peers()
    done: dict[str, dict[str, Any]] = {}
    if args.resume and args.json and args.json.is_file():
        done = {cell["cell"]: cell for cell in json.loads(args.json.read_text())["cells"]}
    machine = {"machine": platform.machine(), "cpus": os.cpu_count()}
    for name in args.cell or comparison.CELLS:
        if name in done:
            comparison.report(done[name])
            continue
        done[name] = comparison.run_cell(
            name,
            batch=args.batch,
            threads=args.threads,
            rounds=args.rounds or 3,
            quiet=args.quiet,
        )
        if args.json:
            args.json.write_text(json.dumps({**machine, "cells": list(done.values())}, indent=1))
    comparison.targets(list(done.values()))


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        row, net, batch, threads, steps = json.loads(sys.argv[2])
        print(json.dumps(measure(make_step(row, net, batch, threads), steps)))
        return
    if sys.argv[1:2] == ["--cell-row"]:
        print(json.dumps(measure_cell_row(*json.loads(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--nets", nargs="+", default=list(NETS), choices=NETS, metavar="NET")
    parser.add_argument(
        "--rows", nargs="+", choices=list(ROWS), metavar="ROW", help=f"of {', '.join(ROWS)}"
    )
    parser.add_argument("--batch", type=int, help="images of a step (128; of the cell)")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads (2)")
    parser.add_argument("--rounds", type=int, help="processes per row (5; of a cell 3)")
    parser.add_argument("--steps", type=int, default=3, help="timed steps of a process (3)")
    parser.add_argument("--json", type=Path, help="file for every number")
    parser.add_argument(
        "--peers", action="store_true", help="the table of targets: see comparison.py"
    )
    parser.add_argument(
        "--cell", nargs="+", choices=list(comparison.CELLS), metavar="CELL",
        help=f"with --peers, of {', '.join(comparison.CELLS)} (all)",
    )  # fmt: skip
    parser.add_argument(
        "--quiet", type=float, default=20, metavar="S",
        help="with --peers: wait at most so many seconds for a quiet machine (20)",
    )  # fmt: skip
    parser.add_argument(
        "--resume", action="store_true", help="with --peers: keep the cells that --json has"
    )
    args = parser.parse_args()
    if args.peers or args.cell:
        compare(args)
        return
    args.batch, args.rounds = args.batch or 128, args.rounds or 5
    rows = chosen_rows(args.rows)
    results = []
    for net in args.nets:
        rounds: dict[str, list[dict[str, Any]]] = {row: [] for row in rows}
        for _ in range(args.rounds):
            for row in rows:
                rounds[row].append(in_process(row, args, net))
        summaries = [summary(row, net, args.batch, rounds[row]) for row in rows]
        report(summaries)
        results += summaries
    if args.json:
        setting = {key: getattr(args, key) for key in ("batch", "threads", "steps")}
        machine = {"machine": platform.machine(), "cpus": os.cpu_count()}
        args.json.write_text(json.dumps({**setting, **machine, "rows": results}, indent=1))


if __name__ == "__main__":
    main()
