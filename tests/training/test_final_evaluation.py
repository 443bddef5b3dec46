"""The final evaluation of a run: when it is done, and how it can be interrupted."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from alexnet_native.errors import ConfigError
from alexnet_native.training import fit, prepare, resume
from alexnet_native.training.progress import Silent


def given(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "net": str(tiny.write_net(folder / "net.toml")),
        "data": str(tiny.write_npz(folder / "data.npz")),
        "epochs": 1,
        "final_views": 10,
        **changes,
    }


class Listener(Silent):
    """Keeps the lines; with `interrupt`, sends SIGINT when the evaluation begins."""

    def __init__(self, interrupt: bool = False) -> None:
        self.lines: list[str] = []
        self.interrupt = interrupt

    def line(self, text: str) -> None:
        self.lines.append(text)
        if self.interrupt and text.startswith("evaluating"):
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupted_evaluation_is_done_when_the_run_is_resumed(tmp_path: Path) -> None:
    run, show = tmp_path / "run", Listener(interrupt=True)
    outcome = prepare(given(tmp_path), out=run, show=show).trainer.run()
    assert outcome.interrupted and not outcome.evaluated and outcome.step == 5
    assert not (run / "evaluation.json").exists()
    again = resume(run, {}, show=Listener()).trainer.run()
    assert again.evaluated and not again.interrupted and again.records == []
    assert json.loads((run / "evaluation.json").read_text())["step"] == 5


def test_a_run_that_is_continued_is_evaluated_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    prepare(given(tmp_path), out=run).trainer.run()
    assert not resume(run, {}).trainer.run().evaluated
    assert resume(run, {"epochs": 2}).trainer.run().evaluated
    assert json.loads((run / "evaluation.json").read_text())["step"] == 10
    prepare(given(tmp_path, final_views=0), out=run, overwrite=True).trainer.run()
    assert not (run / "evaluation.json").exists()


def test_a_run_that_ends_early_by_steps_is_evaluated_too(tmp_path: Path) -> None:
    run = prepare(given(tmp_path, steps=3, final_views=1), out=tmp_path / "run")
    assert run.trainer.run().evaluated
    record = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert [part["views"] for part in record["results"]] == [1] and record["recipe"] is None
    want = run.net.evaluate(*tiny.arrays(21, seed=2))
    assert record["results"][0]["loss"] == pytest.approx(want.loss, rel=1e-12)


def test_without_validation_images_a_line_says_that_there_is_no_final_evaluation(
    tmp_path: Path,
) -> None:
    images, labels = tiny.arrays(16)
    show = Listener()
    np.savez(tmp_path / "train.npz", images=images, labels=labels)
    settings = given(tmp_path, data=str(tmp_path / "train.npz"))
    assert not prepare(settings, out=tmp_path / "run", show=show).trainer.run().evaluated
    assert show.lines[-1] == ("train.npz has no validation images, so there is no final evaluation")
    assert not fit(tiny.net(), (images, labels), epochs=1, final_views=10, verbose=False).evaluated


def test_final_views_must_be_one_or_ten(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="final_views is 5; it must be 0 or 1 or 10"):
        prepare(given(tmp_path, final_views=5), out=tmp_path / "run")
