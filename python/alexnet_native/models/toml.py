"""Reads and writes network descriptions as TOML."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from alexnet_native.errors import ModelError
from alexnet_native.models.default_config import read_table, to_table
from alexnet_native.models.description import Description
from alexnet_native.toml_value import in_toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["read_description", "write_description"]

_REQUIRED = ("name", "input", "classes", "layers")


def write_description(description: Description) -> str:
    """The TOML text: attributes, settings that differ from the paper's, layers in order."""
    head = {
        "name": description.name,
        "input": list(description.input_shape),
        "classes": description.classes,
    }
    parts = [_lines(head)]
    if defaults := to_table(description.default_config):
        parts.append("[training]\n" + _lines(defaults))
    parts += ["[[layers]]\n" + _lines(layer) for layer in description.layers]
    return "\n".join(parts)


def read_description(text: str, source: str) -> Description:
    """See :meth:`Description.from_toml`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ModelError(f"{source} is not valid TOML: {error}") from error
    for key in document:
        if key not in (*_REQUIRED, "training"):
            raise ModelError(
                f"{source}: {key!r} is not a field of a network; the fields are name, input, "
                "classes, [training] and [[layers]]"
            )
    for key in _REQUIRED:
        if key not in document:
            wanted = "[[layers]] tables" if key == "layers" else f"the field {key!r}"
            raise ModelError(f"{source} does not have {wanted}")
    training = document.get("training", {})
    if not isinstance(training, dict):
        raise ModelError(f"{source}: training must be a table, [training]")
    try:
        return Description(
            name=document["name"],
            input_shape=document["input"],
            classes=document["classes"],
            layers=document["layers"],
            default_config=read_table(training),
        )
    except ModelError as error:
        raise ModelError(f"{source}: {error}") from error


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{key} = {in_toml(value)}\n" for key, value in table.items())
