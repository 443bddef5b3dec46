"""`train --profile`: profiles the first steps of a run; prints a table and writes a trace."""

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
    """A reporter that profiles five steps after the first, and forwards all calls to another one.

    A step at the start of an epoch is not included, because its profile may contain the validation
    after the epoch before it.

    Args:
        reporter: receives all calls, and the table when it is complete.
        file: the trace is written to this file; None writes no trace.
    """

    def __init__(self, reporter: Reporter, file: Path | None) -> None:
        self._reporter, self._file = reporter, file
        self._net: BaseNet | None = None
        self._config: TrainConfig | None = None
        self._steps: list[list[_core.Lane]] = []
        self._epoch = 0  # of the previous step; 0: profiling has not started
        self._peak_rates: list[_core.PeakRates] = []

    def watch(self, net: BaseNet, config: TrainConfig) -> None:
        """Sets the network and the settings of the run; call it before the first step."""
        self._net, self._config = net, config
        self._peak_rates = peak_rates_of(net)

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
        """Prints the table and writes the trace, once."""
        net, config, steps = self._net, self._config, self._steps
        if net is None or config is None:
            return
        self._net = None
        net.native.profile(False)
        net.native.take_profile()
        if not steps:
            self._reporter.warning("--profile: the run has too few steps for a profile")
            return
        profile = Profile(net, steps, config.batch_size, self._peak_rates, parts=config.accumulate)
        self._reporter.line(f"\n{profile}\n")
        if self._file is not None:
            profile.write_trace(self._file)
            self._reporter.line(f"trace written to {self._file}")
