"""The description of a network: name, input shape, number of classes and layers."""

from __future__ import annotations

import numbers
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from alexnet_native.errors import ModelError
from alexnet_native.models.default_config import default_config, read_table, to_table
from alexnet_native.toml_value import in_toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["Description", "ParamRule"]

_TRAINING_WORDS = ("weight_lr", "bias_lr", "weight_decay", "bias_decay")
_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class ParamRule:
    """Learning rate multipliers and decays of one layer.

    Attributes:
        weight_lr, bias_lr: multipliers of the learning rate.
        weight_decay: decay of the weights; None = the setting of the training run.
        bias_decay: decay of the biases; None = 0.
    """

    weight_lr: float = 1.0
    bias_lr: float = 1.0
    weight_decay: float | None = None
    bias_decay: float | None = None


@dataclass(frozen=True)
class Description:
    """A network before it is built.

    Attributes:
        name: name of the network.
        input_shape: channels, height, width.
        classes: number of outputs; layers with ``channels = "classes"`` have this many channels.
        layers: dictionaries with ``name``, ``type``, optionally ``input``, ``towers`` and
            ``device``, and the attributes of the type. ``weight_lr``, ``bias_lr``,
            ``weight_decay`` and ``bias_decay`` are used only in training. Without ``input``, the
            first layer reads "data" and every other layer reads the one before it.
        default_config: default settings of a training run; made by ``models.default_config``.

    Raises:
        ModelError: a field is missing or not valid; the message names it.
    """

    name: str
    input_shape: tuple[int, int, int]
    classes: int
    layers: tuple[Mapping[str, Any], ...]
    default_config: Mapping[str, Any] = field(default_factory=default_config)

    def __post_init__(self) -> None:
        _require(isinstance(self.name, str) and self.name != "", "name must be a non-empty string")
        shape = tuple(self.input_shape) if isinstance(self.input_shape, (list, tuple)) else ()
        _require(
            len(shape) == 3 and all(_is_count(size) for size in shape),
            f"input must be [channels, height, width], three integers above 0, "
            f"not {self.input_shape!r}",
        )
        _require(
            _is_count(self.classes),
            f"classes must be an integer above 0, not {self.classes!r}",
        )
        _require(
            isinstance(self.layers, (list, tuple)) and len(self.layers) > 0,
            "there are no layers: a network needs at least one",
        )
        object.__setattr__(self, "input_shape", tuple(int(size) for size in shape))
        object.__setattr__(self, "classes", int(self.classes))
        object.__setattr__(self, "layers", _checked_layers(self.layers))

    def with_classes(self, classes: int) -> Description:
        """A copy with another number of classes."""
        return replace(self, classes=classes)

    def with_input(self, shape: tuple[int, int, int]) -> Description:
        """A copy with another input shape: channels, height, width."""
        return replace(self, input_shape=shape)

    def with_engine(self, engine: str) -> Description:
        """A copy that uses the given engine for all convolutions."""
        layers = ({**x, "engine": engine} if x["type"] == "conv" else x for x in self.layers)
        return replace(self, layers=tuple(layers))

    def native_layers(self) -> list[dict[str, Any]]:
        """The layers for the native core: without training attributes, "classes" as a number."""
        return [
            {
                word: self.classes if (word, value) == ("channels", "classes") else value
                for word, value in layer.items()
                if word not in _TRAINING_WORDS
            }
            for layer in self.layers
        ]

    def rules(self) -> dict[str, ParamRule]:
        """The training attributes of each layer, by layer name."""
        return {
            layer["name"]: ParamRule(**{w: layer[w] for w in _TRAINING_WORDS if w in layer})
            for layer in self.layers
        }

    def to_toml(self) -> str:
        """TOML from which :meth:`from_toml` makes an equal description."""
        return _write(self)

    @classmethod
    def from_toml(cls, text: str, *, source: str = "the description") -> Description:
        """Reads a network from TOML.

        Args:
            text: TOML with ``name``, ``input``, ``classes``, ``[[layers]]`` and optionally
                ``[training]``.
            source: name of the document, for error messages.

        Raises:
            ModelError: the text is not valid TOML, or a field is missing, unknown or not valid.
        """
        return _read(text, source)


def _checked_layers(layers: Any) -> tuple[dict[str, Any], ...]:
    seen = {"data"}
    checked = []
    for position, layer in enumerate(layers, start=1):
        _require(isinstance(layer, Mapping), f"layer {position} must be a table of attributes")
        for key in ("name", "type"):
            value = layer.get(key)
            _require(
                isinstance(value, str) and value != "",
                f"layer {position} ({layer.get('name', 'unnamed')}) has no {key}",
            )
        name = layer["name"]
        _require(
            _NAME.fullmatch(name) is not None,
            f"layer {position}: the name {name!r} may contain only letters, digits, '_' and '-'",
        )
        _require(
            name != "data",
            f"layer {position}: 'data' is the name of the network's input; use another name",
        )
        _require(name not in seen, f"there are two layers called {name!r}; names must be unique")
        words = {str(word): _plain(name, word, value) for word, value in layer.items()}
        for read in _names(name, words.get("input")):
            _require(
                read in seen,
                f"layer {name!r}: input {read!r} is not defined by an earlier layer",
            )
        for word in _TRAINING_WORDS:
            value = words.get(word, 0.0)
            good = isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0
            _require(good, f"layer {name!r}: {word} must be a number of at least 0, not {value!r}")
        seen.add(name)
        checked.append(words)
    return tuple(checked)


def _names(layer: str, value: Any) -> list[str]:
    names = [value] if isinstance(value, str) else ([] if value is None else value)
    good = isinstance(names, list) and all(isinstance(name, str) for name in names)
    _require(good, f"layer {layer!r}: input must be a layer's name or a list of names")
    return list(names)


def _plain(layer: str, word: str, value: Any) -> Any:
    """Converts NumPy numbers to Python numbers, for TOML and the native core."""
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return list(value)
    raise ModelError(
        f"layer {layer!r}: {word} is {value!r}; it must be a number, a string, a boolean or a list "
        "of strings"
    )


def _is_count(value: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) > 0


def _require(good: bool, message: str) -> None:
    if not good:
        raise ModelError(message)


_REQUIRED = ("name", "input", "classes", "layers")


def _write(description: Description) -> str:
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


def _read(text: str, source: str) -> Description:
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
