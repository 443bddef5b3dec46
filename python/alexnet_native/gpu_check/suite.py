"""Part "tests": runs the repository's tests on the devices and reports each result immediately."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec

from alexnet_native.gpu_check.rows import CheckRow, Settings, row
from alexnet_native.gpu_check.running import Child, told

__all__ = ["DEFAULT", "tests"]

# The tests that run on the devices. The whole suite takes minutes, most of it on the CPU.
DEFAULT = (
    "tests/layers",
    "tests/net/test_equal_to_cpu.py",
    "tests/net/test_enqueued_steps.py",
    "tests/backends/test_cuda_engines.py",
)
_OPTIONS = (
    "-q",
    *("-p", "no:cacheprovider"),
    # The plugin warns if tests run in parallel, and warnings are errors here.
    *("-p", "no:benchmark"),
    "--continue-on-collection-errors",
)
_OUTCOMES = ("passed", "failed", "skipped")


def tests(settings: Settings) -> Iterator[CheckRow]:
    """A row for each failure, for each finished file, and for all tests."""
    if settings.source is None:
        yield row("tests", None, "no checkout of the repository found; specify it with --source")
        return
    if find_spec("pytest") is None:
        yield row("tests", None, "pytest is not installed")
        return
    command = [sys.executable, "-m", "alexnet_native.gpu_check.pytest_rows", *_OPTIONS]
    child = Child(
        [*command, *(settings.tests or DEFAULT)],
        settings.seconds,
        cwd=settings.source,
        env={"ALEXNET_TEST_DEVICES": ",".join(settings.devices)},
    )
    every: Counter[str] = Counter()
    of_file: Counter[str] = Counter()
    file, last = "", ""
    for line in child.lines():
        done = told(line)
        if done is None:
            last = line.strip("= \n") or last
            continue
        every[done["outcome"]] += 1
        if done["outcome"] == "failed":
            yield row(done["test"], False, done["why"])
        name, colons, _ = done["test"].partition("::")
        if not colons:  # a file that cannot be collected
            continue
        if name != file:
            yield from _file_row(file, of_file)
            file, of_file = name, Counter()
        of_file[done["outcome"]] += 1
    yield from _file_row(file, of_file)
    figure, why = _words(every), child.why()
    if why and not (child.in_time and every["failed"]):  # otherwise the failures are the reason
        figure += f": {last if child.in_time and why.startswith('exit code') else why}"
    yield row("all", why is None and every["failed"] == 0, figure, **every)


def _file_row(file: str, outcomes: Counter[str]) -> Iterator[CheckRow]:
    """The row of a file; neither passed nor failed if a test failed, which has its own row."""
    if outcomes:
        holds = True if outcomes["passed"] and not outcomes["failed"] else None
        yield row(file, holds, _words(outcomes), **outcomes)


def _words(outcomes: Counter[str]) -> str:
    return ", ".join(f"{outcomes[name]} {name}" for name in _OUTCOMES)
