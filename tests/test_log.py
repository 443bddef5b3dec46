"""Output to streams that are closed, replaced, or lack characters."""

from __future__ import annotations

import errno
import io
import sys
from typing import Any

import pytest
from alexnet_native import log


class Minimal:
    """A replacement of a standard stream, as loggers install it."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> None:
        self.text += text


class Broken(io.StringIO):
    def __init__(self, code: int) -> None:
        super().__init__()
        self.code = code

    def write(self, text: str) -> int:
        raise OSError(self.code, "cannot write")


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def encoded(name: str) -> io.TextIOWrapper:
    return Terminal(io.BytesIO(), encoding=name, write_through=True)


def written(stream: io.TextIOWrapper) -> bytes:
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue()


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("make", [lambda: None, closed, lambda: Broken(errno.EIO)])
def test_nothing_is_raised_for_streams_that_are_closed(
    monkeypatch: pytest.MonkeyPatch, make: Any
) -> None:
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, make())
    log.line("a line")
    log.warning("a warning")
    log.error("an error")
    log.flush()
    assert not log.is_terminal(sys.stdout)


def test_a_replacement_needs_only_write(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = Minimal(), Minimal()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    log.line("é \udc80")  # part of a file name that is not UTF-8
    log.warning("look out")
    log.flush()
    assert out.text == "é \\udc80\n"
    assert err.text == "alexnet-native: warning: look out\n"
    assert not log.is_terminal(out)


@pytest.mark.parametrize("code", [errno.EPIPE, errno.ENOSPC])
def test_a_closed_pipe_and_a_full_disk_are_errors_on_standard_output_only(
    monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(sys, "stdout", Broken(code))
    monkeypatch.setattr(sys, "stderr", Broken(code))
    log.error("an error")
    with pytest.raises(OSError, match="cannot write"):
        log.line("a line")


@pytest.mark.parametrize(("name", "shown"), [("ascii", b"\\xe9\n"), ("latin-1", b"\xe9\n")])
def test_characters_that_the_encoding_lacks_are_escaped(
    monkeypatch: pytest.MonkeyPatch, name: str, shown: bytes
) -> None:
    for stream in ("stdout", "stderr"):
        monkeypatch.setattr(sys, stream, encoded(name))
    log.line("é")
    log.error("é")
    assert isinstance(sys.stdout, Terminal) and isinstance(sys.stderr, Terminal)
    assert written(sys.stdout) == shown
    assert written(sys.stderr) == b"alexnet-native: error: " + shown


@pytest.mark.parametrize("name", [None, 3, "no such encoding"])
def test_a_replacement_may_have_a_strange_encoding(
    monkeypatch: pytest.MonkeyPatch, name: Any
) -> None:
    out = Minimal()
    out.encoding = name  # type: ignore[attr-defined]
    monkeypatch.setattr(sys, "stdout", out)
    log.line("a")
    assert out.text == "a\n"


@pytest.mark.parametrize(
    ("term", "found"), [("xterm", True), ("dumb", False), ("unknown", False), (None, True)]
)
def test_a_dumb_terminal_is_not_one_with_a_cursor(
    monkeypatch: pytest.MonkeyPatch, term: str | None, found: bool
) -> None:
    if term is None:
        monkeypatch.delenv("TERM", raising=False)
    else:
        monkeypatch.setenv("TERM", term)
    assert log.is_terminal(encoded("utf-8")) is found


def test_encodable_keeps_the_width() -> None:
    stream = encoded("ascii")
    screen = log.Encodable(stream)
    screen.write("loss…é\n")
    assert written(stream) == b"loss??\n"
    assert screen.isatty() and screen.encoding == "ascii"
