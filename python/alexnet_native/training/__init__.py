"""Training: the loop, schedules, run folders and progress output."""

from __future__ import annotations

from alexnet_native.training.build import fit, prepare, resume
from alexnet_native.training.trainer import Outcome, Run, Trainer

__all__ = ["Outcome", "Run", "Trainer", "fit", "prepare", "resume"]
