"""A network that can be trained and evaluated: the Python interface of the native core."""

from __future__ import annotations

from alexnet_native.net.metrics import Evaluation, Progress
from alexnet_native.net.network import BaseNet
from alexnet_native.net.params import Params
from alexnet_native.net.pinned import pinned_empty, pinned_like

__all__ = ["BaseNet", "Evaluation", "Params", "Progress", "pinned_empty", "pinned_like"]
