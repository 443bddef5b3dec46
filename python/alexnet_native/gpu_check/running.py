"""Runs a command with a time limit and yields its output line by line.

A command runs in its own process group, which is killed at the end. All output up to that point is
kept, and the caller waits only a few seconds beyond the time limit.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Any

from alexnet_native.gpu_check.rows import CheckRow, row

__all__ = ["Child", "marked", "run_part", "told"]

_MARK = "row: "  # prefix of the lines that contain a value
# Maximum number of seconds to wait for a killed process and its output: a process that is blocked
# in the driver cannot be killed, and one that left the process group keeps the pipe open.
_PATIENCE = 5.0


def marked(value: object) -> str:
    """A line of output that passes a value to the parent process."""
    return f"{_MARK}{json.dumps(value)}\n"


def told(line: str) -> Any:
    """The value in a line made by `marked`; None for other or truncated lines."""
    if not (line.startswith(_MARK) and line.endswith("\n")):
        return None
    return json.loads(line.removeprefix(_MARK))


class Child:
    """One run of a command, started by `lines`.

    Attributes, valid after the last line:
        in_time: whether the command ended before the time limit.
        code: its exit code; None if it could not be started or killed.
    """

    def __init__(
        self,
        command: Sequence[str],
        seconds: float,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._command, self._seconds = command, seconds
        self._cwd, self._env = cwd, {**os.environ, **(env or {})}
        self._said = ""  # the last line of standard error
        self.in_time = True
        self.code: int | None = None

    def lines(self) -> Iterator[str]:
        """Runs the command and yields the lines of its standard output immediately."""
        end = time.monotonic() + self._seconds
        with tempfile.TemporaryFile() as errors:
            try:
                process = self._start(errors)
            except OSError as error:
                self._said = str(error)
                return
            waiting: SimpleQueue[str | None] = SimpleQueue()
            Thread(target=_read, args=(process.stdout, waiting), daemon=True).start()
            try:
                yield from _until(waiting, end)
                with suppress(subprocess.TimeoutExpired):
                    self.code = process.wait(max(0.0, end - time.monotonic()))
                self.in_time = self.code is not None
            finally:  # also on Ctrl-C
                self._end(process)
            if not self.in_time:
                yield from _until(waiting, time.monotonic() + _PATIENCE)
            self._said = _last_line(errors)

    def _start(self, errors: IO[bytes]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
            start_new_session=True,
            cwd=self._cwd,
            env=self._env,
        )

    def _end(self, process: subprocess.Popen[str]) -> None:
        """Kills the process group, since children may outlive the process."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            self.code = process.wait(_PATIENCE)

    def why(self) -> str | None:
        """The reason for a failure; None if the command succeeded."""
        if not self.in_time:
            words = f"not done after {self._seconds:.0f} s"
            return words if self.code is not None else f"{words}, and could not be killed"
        return None if self.code == 0 else self._said or f"exit code {self.code}"


def _read(pipe: IO[str], lines: SimpleQueue[str | None]) -> None:
    with pipe:
        for line in pipe:
            lines.put(line)
    lines.put(None)


def _until(lines: SimpleQueue[str | None], end: float) -> Iterator[str]:
    """The lines that arrive before the time `end` or the end of the pipe."""
    while (left := end - time.monotonic()) > 0:
        try:
            line = lines.get(timeout=left)
        except Empty:
            return
        if line is None:
            return
        yield line


def _last_line(errors: IO[bytes]) -> str:
    errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4096))
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def run_part(arguments: Sequence[str], seconds: float) -> Iterator[CheckRow]:
    """Runs ``python -m alexnet_native.gpu_check`` with the arguments; yields its rows."""
    command = [sys.executable, "-m", "alexnet_native.gpu_check", *arguments]
    child = Child(command, max(seconds, 1))
    count = 0
    for line in child.lines():
        found: CheckRow | None = told(line)
        if found:
            count += 1
            yield found
    if why := child.why():
        yield row("run" if child.in_time else "time", False, why)
    elif not count:
        yield row("run", False, "nothing was checked")
