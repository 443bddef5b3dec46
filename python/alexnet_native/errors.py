"""Errors that a user can fix. Each message names the file, field or option, and the solution."""

from __future__ import annotations

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DivergedError",
    "ModelError",
    "UserError",
]


class UserError(ValueError):
    """An error in the input, not in the program; the command line prints it and exits with 1."""


class DataError(UserError):
    """A file or array of the data cannot be used."""


class ModelError(UserError):
    """A network description or name cannot be used."""


class CheckpointError(UserError):
    """A checkpoint is damaged or belongs to another network."""


class ConfigError(UserError):
    """A setting is unknown or out of range."""


class DivergedError(UserError):
    """The loss is not finite."""
