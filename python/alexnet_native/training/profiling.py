"""`train --profile`: the first steps of a training as a table of its layers, and as a trace."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from alexnet_native import _core
from alexnet_native.config import TrainConfig
from alexnet_native.net import BaseNet
from alexnet_native.reports.profile import Profile
from alexnet_native.reports.roofline import peak_rates_of
from alexnet_native.training.progress import Metrics, Reporter

__all__ = ["Profiling"]

_STEPS = 5


class Profiling:
    """A reporter that hands everything on, and profiles five steps after the first.

    A step after which an epoch ended is left out: it may hold the validation's work.

    Args:
        reporter: takes the table, once it is complete.
        file: for the trace; None writes none.
    """

    def __init__(self, reporter: Reporter, file: Path | None) -> None:
        self._reporter, self._file = reporter, file
        self._net: BaseNet | None = None
        self._config: TrainConfig | None = None
        self._steps: list[list[_core.Lane]] = []
        self._epoch = 0  # of the step before; 0: nothing is recorded yet
        self._limits: list[_core.PeakRates] = []

    def watch(self, net: BaseNet, config: TrainConfig) -> None:
        """Says what is trained, before the first step."""
        self._net, self._config = net, config
        self._limits = peak_rates_of(net)

    def __enter__(self) -> Profiling:
        self._reporter.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._finish()
        self._reporter.__exit__(kind, error, trace)

    def step(self, now: Metrics, last_step: int) -> None:
        self._reporter.step(now, last_step)
        if self._net is None:
            return
        if not self._epoch:
            self._net.native.profile(True)
        else:
            taken = self._net.native.take_profile()
            if now.epoch == self._epoch:
                self._steps.append(taken)
        self._epoch = now.epoch
        if len(self._steps) == _STEPS:
            self._finish()

    def line(self, text: str) -> None:
        self._reporter.line(text)

    def warning(self, text: str) -> None:
        self._reporter.warning(text)

    def _finish(self) -> None:
        """Prints and writes what was recorded, once."""
        net, config, steps = self._net, self._config, self._steps
        if net is None or config is None:
            return
        self._net = None
        net.native.profile(False)
        net.native.take_profile()
        if not steps:
            self._reporter.warning("--profile: the training had too few steps to profile one")
            return
        profile = Profile(net, steps, config.batch_size, self._limits, parts=config.accumulate)
        self._reporter.line(f"\n{profile}\n")
        if self._file is not None:
            profile.write_trace(self._file)
            self._reporter.line(f"the trace is in {self._file}")
