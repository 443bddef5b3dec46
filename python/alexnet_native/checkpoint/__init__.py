"""Checkpoints of networks and trainings."""

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
