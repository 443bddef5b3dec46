"""What is said when a training has ended: its errors, its checkpoints, and what to run next."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

from alexnet_native.training.checkpoint import LATEST
from alexnet_native.training.plan import TrainingPlan
from alexnet_native.training.run_folder import BEST
from alexnet_native.training.start import Run
from alexnet_native.training.trainer import Outcome

__all__ = ["summary"]


def summary(run: Run, outcome: Outcome) -> Iterator[str]:
    """The last lines of a training that has a folder; the last one names a command to run next."""
    assert run.folder is not None
    place = run.folder.path
    if outcome.interrupted:
        whole = TrainingPlan(run.net, run.data, run.config).all_steps
        head = f"stopped after {outcome.step:,} of {_steps(whole)}:"
        last = f"continue with: {_command('train', '--resume', place)}"
    elif outcome.updates == 0 and not outcome.evaluated:
        head = f"nothing to do: all {_steps(outcome.step)} are done;"
        last = f"train longer with: {_longer(run, place)}"
    else:
        head = f"done after {_steps(outcome.step)}:"
        last = _look(run, outcome, place)
    errors = _errors(run, outcome)
    yield f"{head} {errors}" if errors else head[:-1]
    latest, best = (place / "checkpoints" / name for name in (LATEST, BEST))
    other = best.exists() and best.resolve() != latest.resolve()
    yield f"checkpoint: {latest}" + (f"; of the best epoch: {best}" if other else "")
    yield last


def _errors(run: Run, outcome: Outcome) -> str:
    """ "validation error 12.30 % (epoch 10), lowest 11.20 % (epoch 7)"."""
    assert run.folder is not None
    found = [line for line in run.folder.metrics.read() if line["split"] == "val"]
    if not found:
        train = outcome.last("train")
        if train is None:
            return ""
        error = _percent(train.top1_error)
        return f"training error {error} in the last {_span(run)} (no validation images)"
    last = found[-1]
    text = f"validation error {_percent(last['top1_error'])} (epoch {last['epoch']})"
    # A validation within an epoch, where the steps ended, is not compared with those of whole ones.
    each = TrainingPlan(run.net, run.data, run.config).epoch_steps
    first = run.trainer.state.first_step
    whole = [line for line in found if (line["step"] - first) % each == 0]
    best = min(whole, key=lambda line: line["top1_error"], default=None)
    known = run.trainer.state.best_error
    if known is not None and (best is None or known < best["top1_error"]):
        return f"{text}, lowest {_percent(known)} (before it was resumed)"
    if best is None:
        return text
    if best is last:
        return f"{text}, the lowest so far" if len(whole) > 1 else text
    return f"{text}, lowest {_percent(best['top1_error'])} (epoch {best['epoch']})"


def _look(run: Run, outcome: Outcome, place: Path) -> str:
    """Ten views, which the training has not measured; else a picture of the reader's own."""
    first = run.config.devices[: len(run.config.devices) // run.config.replicas]
    devices = [] if first[0].startswith("cpu") else ["--devices", ",".join(first)]
    if run.data.val is not None and not outcome.evaluated:
        return f"next: {_command('evaluate', place, '--views', 10, *devices)}"
    return f"next, with a picture of yours: {_command('predict', place, 'photo.jpg', *devices)}"


def _longer(run: Run, place: Path) -> str:
    plan = TrainingPlan(run.net, run.data, run.config)
    if plan.all_steps < plan.epoch_steps * run.config.epochs:
        return _command("train", "--resume", place, "--steps", 2 * run.config.steps)
    # Where --steps was as many as the epochs have, more epochs alone would not be trained.
    more = ["--steps", 0] if run.config.steps else []
    return _command("train", "--resume", place, "--epochs", 2 * run.config.epochs, *more)


def _command(command: str, *words: object) -> str:
    """As it is typed; a path that begins with a dash is no option."""
    shown = [f"./{word}" if _looks_like_an_option(word) else str(word) for word in words]
    return shlex.join(["alexnet-native", command, *shown])


def _looks_like_an_option(word: object) -> bool:
    return isinstance(word, Path) and str(word).startswith("-")


def _span(run: Run) -> str:
    every = run.config.log_every
    return "step" if every == 1 else f"steps (at most {every})"


def _steps(count: int) -> str:
    return f"{count:,} step{'' if count == 1 else 's'}"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"
