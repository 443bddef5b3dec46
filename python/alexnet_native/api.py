"""The public class Net: the network with training and a description of its layers."""

from __future__ import annotations

import os
from typing import Any

from alexnet_native.data import Dataset
from alexnet_native.errors import DataError
from alexnet_native.net import BaseNet
from alexnet_native.net.arguments import file_path
from alexnet_native.reports.describe import summarise
from alexnet_native.training import Outcome, fit

__all__ = ["Net"]


class Net(BaseNet):
    __doc__ = BaseNet.__doc__

    def fit(self, data: Any, **settings: Any) -> Outcome:
        """Trains on a data set; :func:`alexnet_native.training.fit` describes the arguments."""
        if not isinstance(data, (str, os.PathLike, tuple, Dataset)):
            raise DataError(
                f"data is {type(data).__name__}; it must be the name of a data set, a path, a "
                "tuple of arrays (images, labels), or a Dataset"
            )
        if settings.get("out") is not None:
            settings["out"] = file_path(settings["out"], "out")
        return fit(self, data, **settings)

    def describe(self, batch: int = 128, *, training: bool = True) -> dict[str, Any]:
        """Returns the layers, parameters, memory and traffic between devices.

        Args:
            batch: number of images in a step.
            training: whether the steps are training steps.

        Returns:
            A :class:`alexnet_native.reports.describe.NetSummary`, which prints as a table.
        """
        return summarise(self, batch, training=training)
