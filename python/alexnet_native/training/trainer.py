"""Epochs of SGD with validation, logs and checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from alexnet_native.config import TrainConfig
from alexnet_native.data import Dataset
from alexnet_native.data.augment import MeanMode, mean_for
from alexnet_native.data.batches import Batch, RawImages
from alexnet_native.data.loader import TrainLoader
from alexnet_native.data.meter import Meter
from alexnet_native.data.statistics import Statistics
from alexnet_native.errors import DivergedError
from alexnet_native.net import Net
from alexnet_native.net.scores import Sums
from alexnet_native.recipes import FollowedRecipe
from alexnet_native.training.evaluation import evaluate
from alexnet_native.training.feed import make_loader
from alexnet_native.training.final import evaluate_at_the_end
from alexnet_native.training.interrupt import StopRequest, stop_request
from alexnet_native.training.metrics import Loading, Metrics
from alexnet_native.training.progress import Reporter, Silent
from alexnet_native.training.rates import Rates
from alexnet_native.training.recorder import Recorder
from alexnet_native.training.run_folder import RunFolder
from alexnet_native.training.schedule import make_schedule
from alexnet_native.training.stall import StallWatch
from alexnet_native.training.state import RunState
from alexnet_native.training.step import Done, Steps

__all__ = ["Outcome", "Trainer"]


@dataclass(frozen=True)
class Outcome:
    """What a training came to."""

    step: int  # updates done
    updates: int = 0  # of them in this process
    interrupted: bool = False  # by Ctrl-C or SIGTERM, after saving
    evaluated: bool = False  # at the end, as `final_views` asks
    checkpoint: Path | None = None  # the last one
    records: list[Metrics] = field(default_factory=list)  # the lines of metrics.jsonl, of this run

    def last(self, split: str) -> Metrics | None:
        """The last line of "train" or "val"."""
        return next((line for line in reversed(self.records) if line.split == split), None)


class Trainer:
    """Starts or continues a training. Equal settings give equal bytes, also when the process was
    killed and resumed in between: every draw is a function of seed, epoch and step.

    Args:
        net: with preprocessing; trained in place.
        data: its training split is shuffled each epoch, its validation split measured after each.
        statistics: of the training images.
        config: all settings.
        folder: takes logs and checkpoints; None writes nothing.
        reporter: shows progress; None shows warnings only.
        state: of the checkpoint that `net` was restored from; None starts anew.
        followed: the recipe of the training, which its checkpoints keep.

    Raises:
        ConfigError: the schedule or a frozen layer does not exist.
    """

    def __init__(
        self,
        net: Net,
        data: Dataset,
        statistics: Statistics,
        config: TrainConfig,
        *,
        folder: RunFolder | None = None,
        reporter: Reporter | None = None,
        state: RunState | None = None,
        followed: FollowedRecipe | None = None,
    ) -> None:
        self.state = state or RunState(train_images=len(data.train), first_step=net.step)
        self._net, self._data, self._statistics, self._config = net, data, statistics, config
        self._reporter = reporter or Silent()
        self._followed = followed
        self._recorder = Recorder(net, config, folder, followed)
        self._schedule = make_schedule(config)
        self._schedule.restore(self.state.schedule)
        self._rates = Rates(net, config)
        self._stall = StallWatch(net.classes, config.stall_steps)
        self._steps = Steps(net, config.accumulate)
        self._seconds, self._images = 0.0, 0  # of the steps since the last line, in this process
        self._meter: Meter | None = None  # of the loader, when these steps began
        self._loading: Loading | None = None
        self._unsaved = state is None

    def run(self) -> Outcome:
        """Trains until the epochs or steps are done, or until Ctrl-C.

        Raises:
            DivergedError: the loss is not finite; names the layer, unless its update is made.
            CheckpointError: a checkpoint or log cannot be written; the ones of before stay.
            DataError: a picture is damaged.
        """
        state, first = self.state, self._net.step
        with (
            self._reporter,
            stop_request(self._reporter.line) as stop,
            make_loader(
                self._net, self._data.train, self._statistics, self._config, state
            ) as loader,
        ):
            batches = iter(loader)
            while True:
                if self._epoch_is_over() and not self._end_epoch(stop):
                    break
                if self._is_done() or stop.requested:
                    break
                start = time.perf_counter()
                self._meter = self._meter or loader.meter
                self._step(next(batches), start, loader)
            self._count(self._steps.finish(), None)
            if self._unsaved:
                self._save()
            if not stop.requested and state.offset > 0:
                self._measure_between_epochs(stop)
            end = self._evaluate_at_the_end(stop) if self._is_done() else "skipped"
        return Outcome(
            step=self._net.step,
            updates=self._net.step - first,
            interrupted=stop.requested and (end == "stopped" or not self._is_done()),
            evaluated=end == "done",
            checkpoint=self._recorder.last_saved(),
            records=self._recorder.records,
        )

    def _epoch_is_over(self) -> bool:
        return self.state.offset >= len(self._data.train)

    def _is_done(self) -> bool:
        config, steps = self._config, self._net.step - self.state.first_step
        return self.state.epoch >= config.epochs or 0 < config.steps <= steps

    def _last_step(self) -> int:
        each = math.ceil(len(self._data.train) / self._config.batch_size)
        total = each * self._config.epochs
        return self.state.first_step + min(total, self._config.steps or total)

    def _rate(self) -> float:
        return self._config.lr * self._schedule.factor(self.state.epoch)

    def _step(self, batch: Batch, start: float, loader: TrainLoader) -> None:
        config, state = self._config, self.state
        self._rates.apply(self._schedule.factor(state.epoch), state.epoch)
        done = self._steps.run(batch)
        step = self._net.step
        self._images += len(batch.labels)
        state.offset += len(batch.labels)
        self._unsaved = True
        log = step % config.log_every == 0
        save = config.checkpoint_every > 0 and step % config.checkpoint_every == 0
        if self._epoch_is_over() or self._is_done() or log or save:
            done += self._steps.finish()
        self._count(done, batch)
        self._seconds += time.perf_counter() - start
        if self._meter:
            self._loading = Loading.of(loader.meter - self._meter)
        if state.interval.images:
            self._reporter.step(self._interval_metrics(), self._last_step())
        if self._epoch_is_over():
            return
        if log:
            self._log_interval()
        if save:
            self._save()

    def _count(self, done: Sequence[Done], batch: Batch | None) -> None:
        """Adds up the results of steps; `batch`: of the last step that was begun, if at hand."""
        for one in done:
            if not math.isfinite(one.sums.loss):
                self._diverged(batch, one)
            self.state.interval.add(one.sums)
            self.state.so_far.add(one.sums)
            if warning := self._stall.observe(one.step, one.sums.loss / one.sums.images):
                self._reporter.warning(warning)

    def _diverged(self, batch: Batch | None, step: Done) -> None:
        images = batch.images if batch else None
        if isinstance(images, RawImages):
            mean = mean_for(self._statistics, self._config.crop, cast(MeanMode, self._config.mean))
            images = images.augmented(self._config.crop, mean)
        where = "its update is made, so the layer where it began is not known"
        if not step.updated:
            layer = self._net.find_nonfinite(images) or "the loss"
            where = f"the first layer to overflow is {layer}"
        last = self._recorder.last_saved()
        kept = f"; the last checkpoint, {last}, is from before" if last else ""
        raise DivergedError(
            f"the loss is not finite at step {step.step}; {where}: "
            f"lower the learning rate, now {self._rate():g}, with --lr{kept}"
        )

    def _interval_metrics(self) -> Metrics:
        speed = self._images / self._seconds if self._seconds else 0.0
        return Metrics.of(
            self.state.interval,
            "train",
            self.state.epoch + 1,
            self._net.step,
            speed,
            self._loading,
        )

    def _log_interval(self) -> None:
        if self.state.interval.images:
            self._recorder.metrics(self.state, self._interval_metrics())
        self.state.interval = Sums()
        self._seconds, self._images = 0.0, 0
        self._meter = self._loading = None

    def _end_epoch(self, stop: StopRequest) -> bool:
        """Validates, logs, saves and moves on; False when stopped in the validation."""
        state = self.state
        val = self._validate(stop)
        if val is None and stop.requested:
            return False
        train = Metrics.of(state.so_far, "train", state.epoch + 1, self._net.step)
        self._log_interval()
        if val:
            self._recorder.metrics(state, val)
        self._recorder.parameters(state, self._rate())
        self._reporter.line(self._epoch_line(train, val))
        error = val.top1_error if val else train.top1_error
        before = self._schedule.factor(state.epoch)
        self._schedule.observe(error)
        best = state.best_error is None or error < state.best_error
        state.best_error = error if best else state.best_error
        state.epoch, state.offset, state.so_far = state.epoch + 1, 0, Sums()
        self._save(best=best)
        if not self._is_done():
            factor = self._schedule.factor(state.epoch)
            for change in self._rates.changes(before, factor, state.epoch):
                self._reporter.line(change)
        return True

    def _validate(self, stop: StopRequest) -> Metrics | None:
        """The validation split's line; None without one, or when stopped."""
        if self._data.val is None:
            return None
        start = time.perf_counter()
        sums = evaluate(self._net, self._data.val, stop=lambda: stop.requested)
        if sums is None:
            return None
        speed = sums.images / (time.perf_counter() - start)
        return Metrics.of(sums, "val", self.state.epoch + 1, self._net.step, speed)

    def _measure_between_epochs(self, stop: StopRequest) -> None:
        """Logs where the steps ended within an epoch.

        The checkpoint is written before and does not count these lines: a resumed training
        replaces them by those that an uninterrupted one has.
        """
        self._log_interval()
        if val := self._validate(stop):
            self._recorder.metrics(self.state, val)
            self._reporter.line(
                f"after {val.step} steps: validation loss {val.loss:.4f}, "
                f"error {100 * val.top1_error:.2f} %, top-5 error {100 * val.top5_error:.2f} %"
            )

    def _evaluate_at_the_end(self, stop: StopRequest) -> str:
        return evaluate_at_the_end(
            self._net,
            self._data,
            self._config,
            self._followed,
            file=self._recorder.evaluation_file(),
            stop=lambda: stop.requested,
            say=self._reporter.line,
        )

    def _save(self, *, best: bool = False) -> None:
        self.state.schedule = self._schedule.state()
        self._recorder.save(self.state, best=best)
        self._unsaved = False

    def _epoch_line(self, train: Metrics, val: Metrics | None) -> str:
        text = (
            f"epoch {train.epoch} of {self._config.epochs}, step {train.step}, rate "
            f"{self._rate():g}: training loss {train.loss:.4f}, "
            f"error {100 * train.top1_error:.2f} %"
        )
        if val is None:
            return text
        return (
            f"{text}; validation loss {val.loss:.4f}, error {100 * val.top1_error:.2f} %, "
            f"top-5 error {100 * val.top5_error:.2f} %"
        )
