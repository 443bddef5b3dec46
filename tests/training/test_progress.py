"""Progress output of a run."""

from __future__ import annotations

import io
import sys

import pytest
from alexnet_native.training import progress
from alexnet_native.training.progress import Metrics


def at(step: int) -> Metrics:
    return Metrics("train", 1, step, 1.25, 0.5, 0.1, 64.4)


def test_lines_are_printed_every_ten_seconds_with_loss_error_speed_and_remaining_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([100.0, 105.0, 112.0, 113.0, 122.5])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    lines = progress.Lines()
    for step in range(1, 6):
        lines.step(at(step), 1001)
    # 2 steps took 12 s, so the remaining 998 take 5988 s; 4 steps took 22.5 s.
    assert capsys.readouterr().out.splitlines() == [
        "step 3 of 1001: loss 1.250, error 50.0 %, 64 images/s, 1:39:48 left",
        "step 5 of 1001: loss 1.250, error 50.0 %, 64 images/s, 1:33:22 left",
    ]


def test_the_bar_is_used_on_terminals_and_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(progress.reporter(), progress.Lines)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(progress.reporter(), progress.Bar)
    monkeypatch.setenv("TERM", "dumb")  # a bar would show nothing before its end
    assert isinstance(progress.reporter(), progress.Lines)


@pytest.mark.parametrize("replacement", [None, object()])
def test_lines_are_used_if_standard_output_is_closed_or_replaced(
    monkeypatch: pytest.MonkeyPatch, replacement: object
) -> None:
    monkeypatch.setattr(sys, "stdout", replacement)
    assert isinstance(progress.reporter(), progress.Lines)


@pytest.mark.parametrize("columns", ["20", "40", "80"])
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_the_bar_shows_its_lines_in_any_encoding_and_width(
    monkeypatch: pytest.MonkeyPatch, columns: str, encoding: str
) -> None:
    screen = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", columns)
    with progress.Bar() as bar:
        bar.step(at(3), 10)
        bar.line("data: é…\udc80.npz")
    assert isinstance(screen.buffer, io.BytesIO)
    shown = screen.buffer.getvalue().decode(encoding)
    expected = {"ascii": r"\xe9\u2026\udc80", "latin-1": r"é\u2026\udc80", "utf-8": r"é…\udc80"}
    assert f"data: {expected[encoding]}.npz" in shown


def test_the_bar_shows_speed_loss_error_and_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stdout", screen)
    with progress.Bar() as bar:
        bar.step(at(3), 10)
        bar.line("epoch 1 of 2 [done]")
    shown = screen.getvalue()
    for words in ("epoch 1, step 3", "loss 1.250, error 50.0 %, 64 images/s", "1 of 2 [done]"):
        assert words in shown


def test_warnings_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    progress.Silent().line("nothing to see")
    progress.Silent().warning("look out")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "alexnet-native: warning: look out\n"
