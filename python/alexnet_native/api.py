"""Net: all that one does with a network, from Python."""

from __future__ import annotations

from typing import Any

from alexnet_native.net import BaseNet
from alexnet_native.reports.describe import summarise
from alexnet_native.training import Outcome, fit

__all__ = ["Net"]


class Net(BaseNet):
    __doc__ = BaseNet.__doc__

    def fit(self, data: Any, **settings: Any) -> Outcome:
        """Trains on a data set; see :func:`alexnet_native.training.fit` for data and settings."""
        return fit(self, data, **settings)

    def describe(self, batch: int = 128, *, training: bool = True) -> dict[str, Any]:
        """Layers, totals, memory and traffic between devices, planned for steps of `batch` images.

        Returns a :class:`alexnet_native.reports.describe.NetSummary`, which prints as a table.
        """
        return summarise(self, batch, training=training)
