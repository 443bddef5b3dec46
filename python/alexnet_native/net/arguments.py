"""Checks of the arguments of `Net`: errors name the argument, its value, and what it must be."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alexnet_native.errors import ConfigError, DataError, ModelError, UserError

__all__ = ["as_array", "choice", "device_names", "file_path", "integer", "names", "number"]


def number(name: str, value: Any, *, most: float = math.inf) -> float:
    """Returns a finite number from 0 to `most`.

    Raises:
        ConfigError: the value is not such a number.
    """
    wanted = "a number of at least 0" if most == math.inf else f"a number from 0 to {most:g}"
    if isinstance(value, (bool, np.bool_, str, bytes)):
        raise _wrong(ConfigError, name, value, wanted)
    try:
        found = float(value)
    except (TypeError, ValueError, OverflowError):
        raise _wrong(ConfigError, name, value, wanted) from None
    if not (math.isfinite(found) and 0 <= found <= most):
        raise _wrong(ConfigError, name, value, wanted)
    return found


def integer(
    name: str,
    value: Any,
    least: int,
    most: int = 2**31 - 1,
    *,
    error: type[UserError] = ConfigError,
) -> int:
    """Returns an integer from `least` to `most`.

    Raises:
        UserError: the value is not such an integer; of the type `error`.
    """
    wanted = f"an integer from {least} to {most}"
    if most >= 2**31 - 1:
        wanted = f"an integer of at least {least}"
    if isinstance(value, (bool, np.bool_)):
        raise _wrong(error, name, value, wanted)
    try:
        found = operator.index(value)
    except TypeError:
        raise _wrong(error, name, value, wanted) from None
    if not least <= found <= most:
        limit = "" if found < least else f" and at most {most}"
        raise _wrong(error, name, value, wanted + limit)
    return found


def choice(name: str, value: Any, known: Iterable[str], *, core: bool = False) -> str:
    """Returns one of the known words.

    Args:
        name: the argument.
        value: its value.
        known: the words.
        core: whether the native core checks strings, so that only the type is checked.

    Raises:
        ModelError: the value is not one of them.
    """
    words = list(known)
    if not isinstance(value, str) or not (core or value in words):
        raise _wrong(ModelError, name, value, " or ".join(map(repr, words)))
    return value


def names(name: str, value: Any, *, example: str) -> tuple[str, ...]:
    """Returns several words as a tuple; a single one may be given as a string.

    Raises:
        ModelError: the value is not a string or a collection of strings.
    """
    given = (value,) if isinstance(value, str) else value
    if not isinstance(given, Iterable) or isinstance(given, (Mapping, bytes)):
        raise _wrong(ModelError, name, value, f"a list of names, such as {example}")
    found = tuple(given)
    if not all(isinstance(item, str) for item in found):
        raise _wrong(ModelError, name, value, f"a list of names, such as {example}")
    return found


def device_names(value: Any) -> tuple[str, ...]:
    """Returns the devices of a list, or of a text with commas.

    Raises:
        ModelError: the value is neither.
    """
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(","))
    return names("devices", value, example='("cpu:0",)')


def file_path(value: Any, name: str = "path") -> Path:
    """Returns the path.

    Raises:
        ConfigError: the value is not a path.
    """
    if not isinstance(value, (str, os.PathLike)) or not isinstance(os.fspath(value), str):
        raise _wrong(ConfigError, name, value, "a string or a pathlib.Path")
    return Path(value)


def as_array(name: str, value: Any) -> NDArray[Any]:
    """Returns the value as an array of numbers.

    Raises:
        DataError: it cannot be converted, e.g. because the lengths of nested lists differ.
    """
    try:
        return np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise DataError(f"{name} cannot be converted to an array: {error}") from error


def _wrong(error: type[UserError], name: str, value: Any, wanted: str) -> UserError:
    shown = repr(value)
    if len(shown) > 60:
        shown = f"{shown[:57]}..."
    return error(f"{name} is {shown}; it must be {wanted}")
