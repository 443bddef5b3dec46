"""Sums of metrics, and the log files with JSON lines."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from alexnet_native.errors import CheckpointError
from alexnet_native.net.metrics import Sums
from alexnet_native.training.progress import Metrics
from alexnet_native.training.run_folder import JsonLines


def test_metrics_are_means_over_images_with_errors_as_fractions() -> None:
    sums = Sums()
    sums.add(Sums(loss=6.0, top1=1.5, top5=3.0, images=3))
    sums.add(Sums(loss=2.0, top1=0.0, top5=1.0, images=1))
    assert Metrics.of(sums, "val", 2, 7, 12.345).record() == {
        "split": "val",
        "epoch": 2,
        "step": 7,
        "loss": 2.0,
        "top1_error": 0.625,
        "top5_error": 0.0,
        "images_per_second": 12.35,
    }


def test_a_log_can_be_truncated_to_a_number_of_lines(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "log")
    for number in range(5):
        log.append({"n": number, "loss": 0.1 + 0.2})
    log.keep(3)
    log.append({"n": 9})
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line["n"] for line in lines] == [0, 1, 2, 9]
    assert lines[0]["loss"] == 0.1 + 0.2


def test_a_partial_line_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "log")
    log.append({"n": 1})
    with (tmp_path / "log").open("a") as file:
        file.write('{"n": 2, "lo')
    log.keep(1)
    assert (tmp_path / "log").read_text() == '{"n": 1}\n'


def test_truncating_to_more_lines_than_exist_raises_an_error(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "log")
    log.keep(0)
    log.append({"n": 1})
    with pytest.raises(CheckpointError, match="fewer lines"):
        log.keep(2)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_the_error_for_a_full_disk_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "log").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        JsonLines(tmp_path / "log").append({"n": 1})
    assert caught.value.filename == os.fspath(tmp_path / "log")


def test_a_failed_write_leaves_no_partial_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = JsonLines(tmp_path / "log")
    log.append({"n": 1})
    real = Path.open

    def nearly_full(self: Path, *args: object, **kwargs: object) -> object:
        file = real(self, *args, **kwargs)  # type: ignore[arg-type]
        write = file.write

        def some(text: str) -> None:
            write(text[:4])
            file.flush()
            raise OSError(28, "No space left on device")

        file.write = some
        return file

    monkeypatch.setattr(Path, "open", nearly_full)
    with pytest.raises(OSError, match="No space left"):
        log.append({"n": 2})
    monkeypatch.undo()
    assert (tmp_path / "log").read_text() == '{"n": 1}\n'
