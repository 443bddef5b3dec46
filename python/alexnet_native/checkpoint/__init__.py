"""Checkpoints of networks and training runs."""

from __future__ import annotations

from alexnet_native.checkpoint.checkpoint import (
    FORMAT,
    LATEST,
    Checkpoint,
    find,
    load,
    restore,
    save,
)

__all__ = ["FORMAT", "LATEST", "Checkpoint", "find", "load", "restore", "save"]
