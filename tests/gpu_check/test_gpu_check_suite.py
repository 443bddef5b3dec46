"""The check of a GPU: the repository's tests and NVIDIA's checker, as it runs them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from alexnet_native.gpu_check import sanitizer, suite
from alexnet_native.gpu_check.rows import CheckRow
from alexnet_native.gpu_check.running import Child
from check_settings import end_after, settings


def checkout(folder: Path, **files: str) -> Path:
    (folder / "tests").mkdir()
    for name, text in files.items():
        (folder / "tests" / f"{name}.py").write_text(text)
    return folder


def test_the_repositorys_tests_run_on_the_devices(tmp_path: Path) -> None:
    source = checkout(
        tmp_path,
        test_a="import os\n"
        "def test_places(): assert os.environ['ALEXNET_TEST_DEVICES'] == 'cpu:0,cpu:1'\n"
        "def test_bad(): assert 1 == 2, 'why'\n",
        test_b="import pytest\n"
        "@pytest.mark.parametrize('x', [1, 2])\n"
        "def test_good(x): print(x)\n"
        "def test_none(): pytest.skip('no')\n",
        test_c="import not_there\n",
    )
    given = settings(source=source, devices=("cpu:0", "cpu:1"), tests=("tests",))
    unread, bad, first, second, every = suite.tests(given)
    # What cannot be read does not stop the others.
    assert unread["what"] == "tests/test_c.py" and unread["ok"] is False
    assert "not_there" in unread["figure"]
    assert bad["what"] == "tests/test_a.py::test_bad" and bad["ok"] is False
    assert "why" in bad["figure"]
    assert (first["what"], first["ok"]) == ("tests/test_a.py", None)
    assert (second["what"], second["ok"]) == ("tests/test_b.py", True)
    assert second["figure"] == "2 passed, 0 failed, 1 skipped"
    assert every["ok"] is False and every["figure"] == "3 passed, 2 failed, 1 skipped"


def test_tests_that_are_cut_off_have_been_told_of(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    source = checkout(
        tmp_path,
        test_a="def test_bad(): assert False\n",
        test_b="import time\ndef test_good(): pass\ndef test_slow(): time.sleep(600)\n",
    )
    seconds = end_after(monkeypatch, 2)
    rows = list(suite.tests(settings(source=source, tests=("tests",), seconds=seconds)))
    assert [(r["what"], r["ok"]) for r in rows] == [
        ("tests/test_a.py::test_bad", False),
        ("tests/test_a.py", None),
        ("tests/test_b.py", True),
        ("all", False),
    ]
    assert rows[-1]["figure"] == "1 passed, 1 failed, 0 skipped: not done after 0 s"


def test_tests_that_are_not_there_fail(tmp_path: Path) -> None:
    source = checkout(tmp_path)
    (every,) = suite.tests(settings(source=source, tests=("tests/test_x.py",)))
    assert every["ok"] is False and "test_x.py" in every["figure"]
    (every,) = suite.tests(settings(source=source, tests=("tests",)))
    assert every["ok"] is False and "no tests ran" in every["figure"]


def test_the_tests_that_are_run_without_being_named_are_in_this_repository() -> None:
    folder = Path(__file__).resolve().parents[2]
    assert all((folder / path).exists() for path in suite.DEFAULT)


def test_without_a_checkout_or_a_checker_the_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sanitizer, "_checker", lambda: None)
    (no_tests,), (no_checker,) = suite.tests(settings()), sanitizer.sanitizer(settings())
    assert no_tests["ok"] is None and "--source" in no_tests["figure"]
    assert no_checker["ok"] is None and "compute-sanitizer" in no_checker["what"]


def checker(monkeypatch: pytest.MonkeyPatch, folder: Path, text: str) -> list[CheckRow]:
    tool = folder / "compute-sanitizer"
    tool.write_text(f"#!/bin/sh\n{text}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return list(sanitizer.sanitizer(settings(seconds=10.0)))


FOUND = """echo "========= Uninitialized read"
echo "=========     at void alexnet::kernel()+0x10"
echo "=========     by thread (1,0,0)"
echo "========= ERROR SUMMARY: 3 errors"
exit 86"""


@pytest.mark.parametrize(
    ("text", "holds", "figure"),
    [
        ("echo '========= ERROR SUMMARY: 0 errors'", True, "ERROR SUMMARY: 0 errors"),
        (
            FOUND,
            False,
            "ERROR SUMMARY: 3 errors; Uninitialized read at void alexnet::kernel()+0x10",
        ),
        ("echo '========= ERROR SUMMARY: 0'; echo no device >&2; exit 1", False, "no device"),
        ("true", False, "it printed nothing"),
    ],
)
def test_the_checkers_summary_and_exit_code_are_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, holds: bool, figure: str
) -> None:
    rows = checker(monkeypatch, tmp_path, text)
    assert [r["what"] for r in rows] == ["memcheck", "racecheck", "initcheck", "synccheck"]
    assert {(r["ok"], r["figure"]) for r in rows} == {(holds, figure)}


def test_what_kernels_of_others_read_uninitialised_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = checker(monkeypatch, tmp_path, FOUND.replace("alexnet::", "cublas::"))
    assert {r["what"]: r["ok"] for r in rows} == {
        "memcheck": False,
        "racecheck": False,
        "initcheck": True,
        "synccheck": False,
    }


@pytest.mark.parametrize(
    ("slow", "limits"), [(True, [40, 20, 20, 20]), (False, [40, 100 / 3, 50, 100])]
)
def test_a_slow_tool_leaves_the_others_their_time(
    monkeypatch: pytest.MonkeyPatch, slow: bool, limits: list[float]
) -> None:
    now, given = [0.0], []

    class Tool(Child):
        def lines(self) -> Iterator[str]:
            given.append(self._seconds)
            if slow:
                now[0] += self._seconds
                self.in_time = False
                return iter(())
            self.code = 0
            return iter(["========= ERROR SUMMARY: 0 errors\n"])

    monkeypatch.setattr(sanitizer, "Child", Tool)
    monkeypatch.setattr(sanitizer, "_checker", lambda: "compute-sanitizer")
    monkeypatch.setattr(sanitizer.time, "monotonic", lambda: now[0])
    rows = list(sanitizer.sanitizer(settings(seconds=100.0)))
    assert given == pytest.approx(limits)
    assert {r["ok"] for r in rows} == {not slow}
    assert rows[0]["figure"].startswith("not done after 40 s") or not slow


def test_the_checker_looks_at_our_kernels_in_training_steps(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # In place of the tool: its options, and then the program that it is given.
    text = """echo "========= SUMMARY: $*"
while [ "$1" != --error-exitcode ]; do shift; done
shift 2
"$@\""""
    monkeypatch.setattr(sanitizer, "_TOOLS", {"memcheck": 1.0})
    tool = tmp_path / "compute-sanitizer"
    tool.write_text(f"#!/bin/sh\n{text}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    (only,) = sanitizer.sanitizer(settings())
    assert only["ok"] is True, only["figure"]
    options = "--tool memcheck --kernel-name kns=alexnet --show-backtrace no --error-exitcode 86"
    assert options in only["figure"]
