"""Times steps in a process, compares the times of two rows, and describes the machine."""

from __future__ import annotations

import math
import os
import resource
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# 97.5 % quantiles of Student's t distribution with 2, 3, ... degrees of freedom.
T_QUANTILES = (4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
MAX_ROUNDS = len(T_QUANTILES) + 2


def measure(step: Callable[[], object], steps: int, warm_up: int) -> dict[str, Any]:
    """Runs in the child process: the seconds of each of `steps`, after `warm_up` untimed ones."""
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
        "others": min(1.0, max(0.0, others / wall / (os.cpu_count() or 1))),
    }


def own_seconds() -> float:
    """CPU time of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def machine_seconds() -> float:
    """CPU time that all programs of the machine have used."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _, _, irq, softirq, steal = map(int, fields)
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def peak_bytes() -> int:
    """The largest resident size of this process so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


def wait_for_quiet(seconds: float, limit: float = 0.05) -> None:
    """Returns when other programs use less than `limit` of the machine, or after `seconds`."""
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        busy, start = machine_seconds(), time.perf_counter()
        time.sleep(0.5)
        used = (machine_seconds() - busy) / (time.perf_counter() - start) / (os.cpu_count() or 1)
        if used < limit:
            return


def ratio(
    numerators: Sequence[float], denominators: Sequence[float]
) -> tuple[float, tuple[float, float] | None]:
    """The geometric mean of the rounds' ratios, and its 95 % interval.

    Both sides of a round ran one shortly after the other, so their ratio is free of slow changes
    of the machine. The interval is Student's on the logarithms; fewer than three rounds have none.
    """
    logs = [math.log(a / b) for a, b in zip(numerators, denominators, strict=True)]
    mean = statistics.fmean(logs)
    if len(logs) < 3:
        return math.exp(mean), None
    half = T_QUANTILES[len(logs) - 3] * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(mean), (math.exp(mean - half), math.exp(mean + half))


def processor() -> str:
    """Model name, the vector instructions that matter here, cores and memory."""
    words = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        words.setdefault(key.strip(), value.strip())
    flags = words.get("flags", words.get("Features", "")).split()
    name = words.get("model name") or f"{os.uname().machine} processor"
    if "cpu family" in words:
        name += f" (family {words['cpu family']}, model {words['model']})"
    sets = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if flag in flags]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    parts = [name, *sets, f"{len(os.sched_getaffinity(0))} cores", f"{memory:.1f} GiB"]
    if "hypervisor" in flags:
        parts.append("a virtual machine")
    return ", ".join(parts)
