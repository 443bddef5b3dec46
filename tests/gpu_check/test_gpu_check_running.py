"""The check of a GPU: what becomes of its processes, its rows and its report when time is up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alexnet_native.gpu_check import __main__ as command
from alexnet_native.gpu_check import running
from alexnet_native.gpu_check.rows import CheckRow, Settings, row
from alexnet_native.gpu_check.running import Child, marked
from check_settings import NET, end_after
from placements import FIRST

FIRST_ROW = row("first", True, "1")


def living(group: int) -> list[str]:
    """Processes of the group that run: not those that are dead and wait for their parent."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = path.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it has ended meanwhile
            continue
        if int(of_group) == group and state != "Z":
            found.append(path.parent.name)
    return found


def has_ended(group: int) -> bool:
    deadline = time.monotonic() + 10
    while living(group) and time.monotonic() < deadline:
        time.sleep(0.01)
    return living(group) == []


def child(program: str, seconds: float) -> Child:
    return Child([sys.executable, "-c", program], seconds)


# A process that hears no SIGTERM, in a second one that does not either, after one row.
STUBBORN = f"""
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.getpgid(0), flush=True)
again = {f"import time; print({marked(FIRST_ROW).strip()!r}, flush=True); time.sleep(600)"!r}
subprocess.run([sys.executable, "-c", again])
"""


def test_a_command_that_takes_too_long_ends_with_its_children_and_keeps_its_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = child(STUBBORN, end_after(monkeypatch, 1))
    group, first = list(slow.lines())
    assert running.told(first) == FIRST_ROW
    assert not slow.in_time and slow.code == -9 and slow.why() == "not done after 0 s"
    assert has_ended(int(group))


def test_a_line_is_there_before_the_command_ends() -> None:
    # The command waits for what the reader does with its first line.
    program = "import sys; print('one', flush=True); sys.exit(input() != 'two')"
    read, write = os.pipe()
    with os.fdopen(read) as answer, os.fdopen(write, "w") as question:
        waiting = Child(["/bin/sh", "-c", f'exec "$0" -c "$1" < /proc/{os.getpid()}/fd/{read}',
                         sys.executable, program], 60)  # fmt: skip
        lines = waiting.lines()
        assert next(lines) == "one\n"
        question.write("two\n")
        question.flush()
        assert list(lines) == [] and waiting.why() is None
        assert answer.readable()


def test_a_process_that_cannot_be_killed_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    started = []
    real = subprocess.Popen

    def start(*arguments: object, **words: object) -> subprocess.Popen[str]:
        started.append(real(*arguments, **words))  # type: ignore[call-overload]
        return started[0]

    with monkeypatch.context() as patched:
        patched.setattr(running, "_PATIENCE", 0.1)
        patched.setattr(running.subprocess, "Popen", start)
        patched.setattr(running.os, "killpg", lambda *_: None)
        line = marked(FIRST_ROW)
        program = f"import time; print({line.strip()!r}, flush=True); time.sleep(600)"
        stuck = child(program, end_after(patched, 1))
        assert list(stuck.lines()) == [line]
    assert stuck.code is None and stuck.why() == "not done after 0 s, and could not be killed"
    started[0].kill()
    started[0].wait()


def test_a_command_that_prints_without_end_ends_too() -> None:
    endless = child("while True: print('x')", 1)
    for _ in endless.lines():
        pass
    assert not endless.in_time


def test_a_reader_that_stops_ends_the_command() -> None:
    slow = child(STUBBORN, 60)
    lines = slow.lines()
    group = int(next(lines))
    lines.close()  # type: ignore[attr-defined]
    assert has_ended(group) and slow.code == -9


def test_a_command_that_fails_says_its_last_line_or_its_code() -> None:
    for program, why in (
        ("raise SystemExit('no such card')", "no such card"),
        ("raise SystemExit(3)", "exit code 3"),
        ("print('all is well')", None),
    ):
        done = child(program, 60)
        list(done.lines())
        assert done.why() == why
    gone = Child(["/nowhere/at-all"], 60)
    assert list(gone.lines()) == [] and "/nowhere/at-all" in str(gone.why())


def test_a_row_that_was_cut_off_is_none() -> None:
    line = marked(FIRST_ROW)
    assert running.told(line) == FIRST_ROW
    assert running.told(line[:-1]) is None and running.told("words\n") is None


def test_a_part_that_dies_says_its_last_line() -> None:
    words = ["--part", "loss", "--devices", "cuda:63", "--nets", NET]
    rows = list(running.run_part(words, 120))
    assert [(r["what"], r["ok"]) for r in rows] == [("run", False)]
    assert "cuda" in rows[0]["figure"].lower()


def test_what_says_most_comes_first() -> None:
    assert list(command.PARTS) == ["layers", "loss", "speed", "sanitizer", "tests"]
    assert sum(share for _, share in command.PARTS.values()) == pytest.approx(1)


def test_a_row_stands_on_the_screen_and_in_the_report_before_the_next_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, limits = tmp_path / "report.json", {}

    def rows(part: str, given: Settings) -> Iterator[CheckRow]:
        limits[part] = given.seconds
        for i in range(3):
            yield row(f"{part} {i}", None, "")
            content = json.loads(path.read_text())
            assert [r["what"] for r in content["parts"][part]] == [
                f"{part} {j}" for j in range(i + 1)
            ]
            assert f"{part} {i}" in capsys.readouterr().out

    monkeypatch.setattr(command, "_rows", rows)
    monkeypatch.setattr(sys, "argv", ["gpu_check", "--devices", FIRST, "--json", str(path)])
    assert command.main() == 0
    assert list(json.loads(path.read_text())["parts"]) == list(command.PARTS)
    assert all(0 < seconds < 480 for seconds in limits.values())


# The whole check, with a command that sleeps in place of its parts.
SLEEPING = """
import sys
from alexnet_native.gpu_check import __main__ as command, rows, running
def sleep(part, given):
    program = "import os, time; print(os.getpgid(0), flush=True); time.sleep(600)"
    for line in running.Child([sys.executable, "-c", program], 600).lines():
        yield rows.row("group", None, line.strip())
command._rows = sleep
sys.exit(command.main())
"""


def test_a_check_that_is_told_to_end_ends_what_it_started_and_leaves_its_report(
    tmp_path: Path,
) -> None:
    path = tmp_path / "report.json"
    words = ["--devices", FIRST, "--only", "loss", "--json", str(path)]
    whole = subprocess.Popen(
        [sys.executable, "-c", SLEEPING, *words], stdout=subprocess.PIPE, text=True
    )
    assert whole.stdout is not None
    group = int(whole.stdout.readline().split()[-1])
    while not path.exists():
        time.sleep(0.01)
    whole.terminate()
    assert whole.wait() == 128 + 15
    whole.stdout.close()
    assert has_ended(group)
    (only,) = json.loads(path.read_text())["parts"]["loss"]
    assert only["figure"] == str(group)
