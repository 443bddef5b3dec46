"""Training: settings, schedules, the trainer, checkpoints, logs."""

from __future__ import annotations

from alexnet_native.training.dry_run import dry_run
from alexnet_native.training.fitting import fit
from alexnet_native.training.start import Run, prepare, resume
from alexnet_native.training.trainer import Outcome, Trainer

__all__ = ["Outcome", "Run", "Trainer", "dry_run", "fit", "prepare", "resume"]
