"""A network that can be trained and asked: the Python face of the native core."""

from __future__ import annotations

from alexnet_native.net.network import Net
from alexnet_native.net.params import Params
from alexnet_native.net.pinned import pinned_empty, pinned_like
from alexnet_native.net.scores import Evaluation, Progress

__all__ = ["Evaluation", "Net", "Params", "Progress", "pinned_empty", "pinned_like"]
