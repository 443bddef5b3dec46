"""The training loop: epochs of SGD with validation, logs and checkpoints."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from alexnet_native._core import available_threads
from alexnet_native.config import TrainConfig
from alexnet_native.data import Dataset, Source
from alexnet_native.data.augment import mean_for
from alexnet_native.data.batches import Position, TrainBatch
from alexnet_native.data.loader import TrainLoader
from alexnet_native.data.meter import Meter
from alexnet_native.data.statistics import Statistics
from alexnet_native.errors import DivergedError
from alexnet_native.net import BaseNet, Progress
from alexnet_native.net.metrics import Sums
from alexnet_native.recipes import FollowedRecipe
from alexnet_native.training.evaluation import evaluate, evaluate_at_the_end
from alexnet_native.training.progress import Loading, Metrics, Reporter, Silent
from alexnet_native.training.run_folder import RunFolder, RunLogger, RunState
from alexnet_native.training.schedule import ParameterGroups, make_schedule

__all__ = ["Outcome", "Run", "StallWatch", "StopRequest", "Trainer", "make_loader", "stop_request"]


@dataclass(frozen=True)
class Outcome:
    """The result of a run.

    Attributes:
        step: number of updates of the network.
        updates: number of updates in this process.
        interrupted: whether the run was stopped by Ctrl-C or SIGTERM.
        evaluated: whether the final evaluation was done.
        checkpoint: the latest checkpoint.
        records: metrics recorded in this process, as in metrics.jsonl.
    """

    step: int
    updates: int = 0
    interrupted: bool = False
    evaluated: bool = False
    checkpoint: Path | None = None
    records: list[Metrics] = field(default_factory=list)

    def last(self, split: str) -> Metrics | None:
        """Returns the last metrics of a split, "train" or "val", or None."""
        return next((line for line in reversed(self.records) if line.split == split), None)


class Trainer:
    """Starts or continues a run.

    Runs with equal settings give equal results to the bit, even if the process was killed and the
    run was resumed: every random draw is a function of seed, epoch and step.

    Args:
        net: the network, with preprocessing; trained in place.
        data: the training split is shuffled in each epoch, and the validation split is evaluated
            after each epoch.
        statistics: mean image and color statistics of the training images.
        config: all settings.
        folder: the folder for logs and checkpoints; None writes nothing.
        reporter: prints the progress (default: warnings only).
        state: the state in the checkpoint of `net`; None starts a new run.
        followed: the recipe of the run, stored in its checkpoints.

    Raises:
        ConfigError: the schedule, a frozen layer or a layer with its own rate does not exist.
    """

    def __init__(
        self,
        net: BaseNet,
        data: Dataset,
        statistics: Statistics,
        config: TrainConfig,
        *,
        folder: RunFolder | None = None,
        reporter: Reporter | None = None,
        state: RunState | None = None,
        followed: FollowedRecipe | None = None,
    ) -> None:
        self._net, self._data, self._statistics, self._config = net, data, statistics, config
        self._followed = followed
        self._logger = RunLogger(net, config, folder, followed)
        self._reporter = reporter or Silent()
        self.state = state or RunState(train_images=len(data.train), first_step=net.step)
        self._schedule = make_schedule(config)
        self._schedule.restore(self.state.schedule)
        self._groups = ParameterGroups(net, config)
        self._stall = StallWatch(net.classes, config.stall_steps)
        self._waiting: deque[Progress] = deque()  # steps whose results have not been read
        self._seconds, self._images = 0.0, 0  # since the last line of the log, in this process
        self._begun = 0.0  # when the current step began to wait for its batch
        self._meter: Meter | None = None  # of the loader, after the last line of the log
        self._loading: Loading | None = None
        self._unsaved = state is None

    def run(self) -> Outcome:
        """Trains until all epochs or steps are done, or until SIGINT (Ctrl-C) or SIGTERM.

        Raises:
            DivergedError: the loss is not finite; the message names the layer, unless the update
                has been applied.
            CheckpointError: a checkpoint or log cannot be written; existing checkpoints are kept.
            DataError: an image is damaged.
        """
        net, config, state = self._net, self._config, self.state
        first_step = net.step
        with (
            self._logger.locked_folder(),
            self._naming_the_checkpoint(),
            self._reporter,
            stop_request(self._reporter.line) as stop,
            make_loader(net, self._data.train, self._statistics, config, state) as loader,
        ):
            for epoch in range(state.epoch, config.epochs):
                self._groups.apply(self._schedule.factor(epoch), epoch)
                for batch in self._rest_of_epoch(loader, stop):
                    step = net.train_step(batch, parts=config.accumulate, wait=False)
                    self._waiting.append(step)
                    self._after_step(batch, loader)
                if not self._epoch_is_over():  # Ctrl-C, or the last of --steps
                    break
                val = self._validate(stop)
                if stop.requested and val is None:
                    break
                self._end_epoch(val)
                if self._is_done():
                    break
            self._read_results(0)
            if self._unsaved:
                self._save()
            if not stop.requested and state.offset > 0:
                self._validate_between_epochs(stop)
            end = self._evaluate_at_the_end(stop) if self._is_done() else "skipped"
        return Outcome(
            step=net.step,
            updates=net.step - first_step,
            interrupted=stop.requested and (end == "stopped" or not self._is_done()),
            evaluated=end == "done",
            checkpoint=self._logger.last_saved(),
            records=self._logger.records,
        )

    def _rest_of_epoch(self, loader: TrainLoader, stop: StopRequest) -> Iterator[TrainBatch]:
        """Yields the remaining batches of the epoch, until the run ends or is interrupted."""
        while not (self._epoch_is_over() or self._is_done() or stop.requested):
            self._begun = time.perf_counter()
            self._meter = self._meter or loader.meter
            yield next(loader)

    def _after_step(self, batch: TrainBatch, loader: TrainLoader) -> None:
        """Counts the images, reads results, and writes logs and checkpoints if they are due.

        On a GPU the result of a step is read after the next step has begun, so that the GPU does
        not have to wait. Before a log line or a checkpoint all results are read.
        """
        config, state, step = self._config, self.state, self._net.step
        state.offset += len(batch.labels)
        self._images += len(batch.labels)
        self._unsaved = True
        log = step % config.log_every == 0
        save = config.checkpoint_every > 0 and step % config.checkpoint_every == 0
        complete = log or save or self._epoch_is_over() or self._is_done()
        self._read_results(0 if complete else self._net.steps_ahead)
        self._seconds += time.perf_counter() - self._begun
        if self._meter:
            self._loading = Loading.of(loader.meter - self._meter)
        if state.interval.images:
            self._reporter.step(self._interval_metrics(), self._last_step())
        if self._epoch_is_over():  # _end_epoch logs and saves
            return
        if log:
            self._log_interval()
        if save:
            self._save()

    def _read_results(self, ahead: int) -> None:
        """Reads the results of all pending steps except the last `ahead`."""
        while len(self._waiting) > ahead:
            step = self._waiting.popleft()
            self.state.interval.add(step.sums)
            self.state.so_far.add(step.sums)
            if warning := self._stall.observe(step.step, step.loss):
                self._reporter.warning(warning)

    def _end_epoch(self, val: Metrics | None) -> None:
        """Logs, updates the schedule and the state, and saves a checkpoint."""
        state = self.state
        train = Metrics.of(state.so_far, "train", state.epoch + 1, self._net.step)
        self._log_interval()
        if val:
            self._logger.metrics(state, val)
        self._logger.parameters(state, self._lr())
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
            for change in self._groups.changes(before, factor, state.epoch):
                self._reporter.line(change)

    def _validate(self, stop: StopRequest) -> Metrics | None:
        """Evaluates the validation split; returns None without one, or if interrupted."""
        if self._data.val is None:
            return None
        start = time.perf_counter()
        sums = evaluate(self._net, self._data.val, stop=lambda: stop.requested)
        if sums is None:
            return None
        speed = sums.images / (time.perf_counter() - start)
        return Metrics.of(sums, "val", self.state.epoch + 1, self._net.step, speed)

    def _validate_between_epochs(self, stop: StopRequest) -> None:
        """Logs the validation error if the steps ended within an epoch.

        The checkpoint was written before, so its number of lines does not include these. When the
        run is resumed, they are removed, so that the log equals that of an uninterrupted run.
        """
        self._log_interval()
        if val := self._validate(stop):
            self._logger.metrics(self.state, val)
            self._reporter.line(
                f"after {val.step} steps: val loss {val.loss:.3f} error "
                f"{100 * val.top1_error:.2f} % top-5 {100 * val.top5_error:.2f} %"
            )

    def _evaluate_at_the_end(self, stop: StopRequest) -> str:
        return evaluate_at_the_end(
            self._net,
            self._data,
            self._config,
            self._followed,
            file=self._logger.evaluation_file(),
            stop=lambda: stop.requested,
            write_line=self._reporter.line,
        )

    def _epoch_is_over(self) -> bool:
        return self.state.offset >= len(self._data.train)

    def _is_done(self) -> bool:
        config, steps = self._config, self._net.step - self.state.first_step
        return self.state.epoch >= config.epochs or 0 < config.steps <= steps

    def _last_step(self) -> int:
        epoch_steps = math.ceil(len(self._data.train) / self._config.batch_size)
        total = epoch_steps * self._config.epochs
        return self.state.first_step + min(total, self._config.steps or total)

    def _lr(self) -> float:
        return self._config.lr * self._schedule.factor(self.state.epoch)

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
            self._logger.metrics(self.state, self._interval_metrics())
        self.state.interval = Sums()
        self._seconds, self._images = 0.0, 0
        self._meter = self._loading = None

    def _save(self, *, best: bool = False) -> None:
        self.state.schedule = self._schedule.state()
        self._logger.save(self.state, best=best)
        self._unsaved = False

    @contextmanager
    def _naming_the_checkpoint(self) -> Iterator[None]:
        """Adds the last checkpoint to the error message of a run that diverges."""
        try:
            yield
        except DivergedError as error:
            if last := self._logger.last_saved():
                raise DivergedError(f"{error}; the last checkpoint is {last}") from error
            raise

    def _epoch_line(self, train: Metrics, val: Metrics | None) -> str:
        """Returns at most 100 columns for usual values."""
        text = (
            f"epoch {train.epoch}/{self._config.epochs}, lr {self._lr():g}: "
            f"train loss {train.loss:.3f} error {100 * train.top1_error:.2f} %"
        )
        if val is None:
            return text
        return (
            f"{text}, val loss {val.loss:.3f} error {100 * val.top1_error:.2f} % "
            f"top-5 {100 * val.top5_error:.2f} %"
        )


@dataclass(frozen=True)
class Run:
    """A run that is ready to start: ``run.trainer.run()``."""

    net: BaseNet
    config: TrainConfig
    data: Dataset
    trainer: Trainer
    folder: RunFolder | None


def make_loader(
    net: BaseNet, source: Source, statistics: Statistics, config: TrainConfig, state: RunState
) -> TrainLoader:
    """Returns a loader that starts at the position of the run in the data.

    If images are augmented on the device, the mean is set in the network.

    Raises:
        DataError: a setting does not fit the images.
    """
    on_device = config.augment == "device"
    if on_device:
        net.set_mean(mean_for(statistics, config.crop, config.mean))
    over = state.offset >= len(source)
    return TrainLoader(
        source,
        batch_size=config.batch_size,
        augmentation=config,
        statistics=statistics,
        seed=config.seed,
        position=Position(state.epoch + 1, 0) if over else Position(state.epoch, state.offset),
        threads=config.loader_threads or _loader_threads(config.devices),
        device=next((n for n in config.devices if n.startswith("cuda")), config.devices[0]),
        on_device=on_device,
    )


def _loader_threads(devices: Sequence[str]) -> int:
    """Returns one thread if a CPU trains, which is much slower than loading; otherwise all."""
    return 1 if any(name.startswith("cpu") for name in devices) else available_threads()


class StopRequest:
    """Whether a signal to stop the run has arrived."""

    def __init__(self) -> None:
        self.requested = False


@contextmanager
def stop_request(write_line: Callable[[str], None]) -> Iterator[StopRequest]:
    """Context manager in which the first SIGINT or SIGTERM only sets ``requested``.

    A second signal raises KeyboardInterrupt. Signals can only be handled in the main thread; in
    other threads the context manager has no effect.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if request.requested:
            raise KeyboardInterrupt
        request.requested = True
        write_line(
            f"{signal.Signals(number).name}: stopping after this step and saving; "
            "send it again to stop immediately"
        )

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


_WINDOW = 50  # number of losses in the mean
_MARGIN = 0.01  # relative to ln(classes)


class StallWatch:
    """Warns once if the mean loss up to step `after` is still that of random guessing.

    Args:
        classes: number of classes.
        after: step of the check; 0: none.
    """

    def __init__(self, classes: int, after: int) -> None:
        self._guess = math.log(classes)
        self._after = after
        self._losses: deque[float] = deque(maxlen=min(_WINDOW, max(after, 1)))

    def observe(self, step: int, loss: float) -> str | None:
        """Records the mean loss of a step; returns the warning or None."""
        if self._after == 0 or step > self._after or self._guess == 0.0:
            return None
        self._losses.append(loss)
        mean = sum(self._losses) / len(self._losses)
        if step < self._after or mean < (1 - _MARGIN) * self._guess:
            return None
        return (
            f"after {step} steps the loss is {mean:.3f}, as for random guessing (the natural "
            f"logarithm of the number of classes is {self._guess:.3f}); likely causes: labels that "
            "do not match the images, a learning rate that is too low or too high (try --lr 10 "
            "times smaller and larger), initial weights that are too small for the depth "
            "(alexnet-2012 uses a standard deviation of 0.03 for conv3 to conv5 instead of 0.01), "
            "or pixels of 0..1 where the network expects 0..255"
        )
