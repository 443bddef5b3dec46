"""Errors that a user can fix. Each message names the file, field or option, and the solution."""

from __future__ import annotations

from pathlib import Path

__all__ = [
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DivergedError",
    "ModelError",
    "UserError",
    "core_help",
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


def core_help(error: ImportError) -> str:
    """Returns the error message for a native core that cannot be imported."""
    folder = Path(__file__).resolve().parent
    if any(place.suffix in (".so", ".pyd", ".dylib") for place in folder.glob("_core.*")):
        memory = "failed to map" in str(error) or "annot allocate memory" in str(error)
        advice = "there is not enough memory" if memory else "install the package again"
        return f"the native core cannot be loaded ({error}); {advice}"
    return (
        f"the folder {folder} contains the package's source without its native core, and Python "
        "found it before the installed package: change to another folder, or remove it from "
        "PYTHONPATH; if the package is not installed, run pip install . in the source's top folder"
    )
