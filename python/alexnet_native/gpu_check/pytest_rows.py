"""``python -m alexnet_native.gpu_check.pytest_rows ARGUMENTS``: pytest with immediate results.

Prints one line of JSON for each finished test and each file that cannot be collected: name, outcome
("passed", "failed", "skipped") and reason. pytest itself prints the reasons only at the end.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from alexnet_native.gpu_check.running import marked

__all__ = ["Teller"]

_LONGEST = 300  # maximum number of characters of a reason


class Teller:
    """A pytest plugin. `out` is a descriptor of the standard output from before pytest started."""

    def __init__(self, out: int) -> None:
        self._out = out

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" or report.outcome != "passed":
            self._tell(report)

    def pytest_collectreport(self, report: Any) -> None:
        if report.outcome == "failed":
            self._tell(report)

    def _tell(self, report: Any) -> None:
        why = _why(report) if report.outcome == "failed" else ""
        words = {"test": report.nodeid, "outcome": report.outcome, "why": why}
        # Starts a new line, since pytest writes its dots to the same pipe.
        os.write(self._out, ("\n" + marked(words)).encode())


def _why(report: Any) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    lines = str(crash.message if crash else report.longrepr).strip().splitlines() or [""]
    return lines[0 if crash else -1][:_LONGEST]


def main() -> int:
    import pytest

    # pytest replaces descriptor 1 while tests run.
    return int(pytest.main(sys.argv[1:], plugins=[Teller(os.dup(1))]))


if __name__ == "__main__":
    sys.exit(main())
