"""A full disk ends a training run with an error message; existing checkpoints stay intact."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import tiny
from alexnet_native import checkpoint
from alexnet_native.checkpoint import safetensors_io
from alexnet_native.errors import CheckpointError
from alexnet_native.training import fit, run_folder


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_the_last_good_checkpoint_stays_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    real, written = safetensors_io.write, []

    def full(path: Path, *rest: object) -> None:
        written.append(path)
        if len(written) == failing:
            raise OSError(28, os.strerror(28), str(path))
        real(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr("alexnet_native.checkpoint.checkpoint.write", full)
    with pytest.raises(CheckpointError) as caught:
        fit(tiny.net(), tiny.data(), out=tmp_path, epochs=3, verbose=False)
    message = str(caught.value)
    assert f"step-{5 * failing:08d}.safetensors cannot be written (No space left" in message
    assert f"stopped at step {5 * failing}" in message
    folder = tmp_path / "checkpoints"
    if failing == 1:
        assert list(folder.iterdir()) == []
    else:
        last = f"step-{5 * failing - 5:08d}.safetensors"
        assert f"{last}; free some space and continue with --resume" in message
        assert checkpoint.load(tmp_path).step == 5 * failing - 5
    assert len(tiny.lines(tmp_path / "metrics.jsonl")) == 2 * failing


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_under_the_log_ends_a_run_with_an_error_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "metrics"
    log.symlink_to("/dev/full")
    net, data = tiny.net(), tiny.data()
    start = run_folder.RunFolder.start

    def onto_the_full_disk(self: run_folder.RunFolder, *texts: str, overwrite: bool) -> None:
        start(self, *texts, overwrite=overwrite)
        self.metrics = run_folder.JsonLines(log)

    monkeypatch.setattr(run_folder.RunFolder, "start", onto_the_full_disk)
    with pytest.raises(
        CheckpointError, match=r"metrics cannot be written .No space left on device"
    ):
        fit(net, data, out=tmp_path / "run", verbose=False)
