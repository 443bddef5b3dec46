"""The settings of a training run, as config.toml in its folder and its checkpoints hold them.

A setting is declared once, here or in ``Augmentation``: its default, section, help text and range.
The command line, ``--set``, TOML files, recipes, checkpoints and the networks' default settings use
these declarations. Constants are from Krizhevsky, Sutskever, Hinton (2012), section 5, unless a
comment says otherwise.
"""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from alexnet_native.config.augmentation import Augmentation
from alexnet_native.config.setting import Setting, check, from_utf8, parse, setting, to_utf8
from alexnet_native.errors import ConfigError
from alexnet_native.renamed import current_name
from alexnet_native.toml_value import in_toml

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = [
    "SETTINGS", "TrainConfig", "full_name", "parse_assignment", "parse_value", "read_toml",
    "settings_of", "write_settings",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Augmentation):
    """All settings of a training run.

    Raises:
        ConfigError: a value is out of range.
    """

    net: str = setting(
        "alexnet", "net", "network: a name or a TOML file",
        shown_default="alexnet; cifar10-quick if the images are smaller than 64 pixels",
    )  # fmt: skip
    classes: int = setting(
        1000, "net", "number of outputs of the last layer", "integer", minimum=1,
        shown_default="from the data",
    )  # fmt: skip
    activation: str | None = setting(
        None, "net", "activation function of figure1: relu, tanh, logistic, abs, abs_tanh or "
        "softplus", optional=True, shown_default="relu",
    )  # fmt: skip
    engine: str = setting(
        "auto", "net",
        "engine of the convolutions: auto; on CPUs direct, winograd or gemm; on GPUs cudnn or gemm",
    )  # fmt: skip
    init: str = setting(
        "own", "net",
        "initial weights: own = those that the network defines, he = He's, which train faster at "
        "the start",
        choices=("own", "he"), shown_default="own; he with few images",
    )  # fmt: skip
    precision: str = setting(
        "fp32", "net",
        "fp32; tf32 = float32 with factors rounded to 10 bits of mantissa, on GPUs; bf16 = "
        "activations and products in bfloat16, sums and parameters in float32; fp64",
        choices=("fp32", "tf32", "bf16", "fp64"),
    )  # fmt: skip
    init_from: str | None = setting(
        None, "net", "checkpoint whose matching weights replace the initial weights", optional=True
    )
    devices: tuple[str, ...] = setting(
        ("cpu:0",), "net", "devices, e.g. cpu:0,cpu:1; with two devices, one tower on each",
        "names", on_resume=True,
    )  # fmt: skip
    replicas: int = setting(
        1, "net", "number of copies of the network; they share the devices and each batch equally",
        "integer", minimum=1, on_resume=True,
    )  # fmt: skip
    communicator: str = setting(
        "built-in", "net", "library that sums the gradients of the replicas; nccl = NVIDIA's, for "
        "GPUs", choices=("built-in", "nccl"), on_resume=True,
    )  # fmt: skip
    threads: int = setting(
        0, "net", "number of CPU threads; 0 = all that the process may use", "integer", minimum=0,
        on_resume=True,
    )  # fmt: skip
    data: str = setting("demo", "data", "training data: demo, a folder or a file", on_resume=True)
    augment: str = setting(
        "cpu", "data",
        "where crops, mirroring, color noise and the mean are applied: cpu = in the loader, device "
        "= on the network's device",
        choices=("cpu", "device"), on_resume=True,
    )  # fmt: skip
    loader_threads: int = setting(
        0, "data", "number of loader threads; 0 = one when training on the CPU, else all",
        "integer", minimum=0, on_resume=True,
    )  # fmt: skip
    epochs: int = setting(
        90, "training", "number of passes over the training data", "integer", minimum=1,
        on_resume=True, shown_default="from the network",
    )  # fmt: skip
    steps: int = setting(
        0, "training", "number of steps to stop after; 0 = no limit besides --epochs", "integer",
        minimum=0, on_resume=True,
    )  # fmt: skip
    batch_size: int = setting(
        128, "training", "number of images in each batch", "integer", minimum=1,
        shown_default="from the network; 16 with few images",
    )  # fmt: skip
    accumulate: int = setting(
        1, "training", "number of parts in which a batch is computed, to save memory", "integer",
        minimum=1, on_resume=True,
    )  # fmt: skip
    lr: float = setting(
        0.01, "training", "learning rate", "number", above=0, on_resume=True,
        shown_default="from the network",
    )  # fmt: skip
    bias_lr: float | None = setting(
        None, "training",
        "learning rate of the biases, not changed by the schedule; multiplied by the layer's own "
        "factor",
        "number", minimum=0, optional=True, on_resume=True, shown_default="the learning rate",
    )  # fmt: skip
    momentum: float = setting(
        0.9, "training", "momentum", "number", minimum=0, maximum=1, on_resume=True,
        shown_default="from the network",
    )  # fmt: skip
    weight_decay: float = setting(
        5e-4, "training", "weight decay, for layers without their own", "number", minimum=0,
        on_resume=True, shown_default="from the network",
    )  # fmt: skip
    seed: int = setting(0, "training", "seed of all random numbers", "integer", minimum=0)
    stall_steps: int = setting(
        300, "training",
        "number of steps after which a warning is printed if the loss is still ln(classes); 0 = "
        "never",
        "integer", minimum=0, on_resume=True,
    )  # fmt: skip
    schedule: str = setting(
        "constant", "schedule",
        "learning rate schedule: constant, plateau, or step@25,51,79 (after these epochs)",
        on_resume=True, shown_default="from the network",
    )  # fmt: skip
    schedule_factor: float = setting(
        0.1, "schedule", "factor that the schedule multiplies the learning rate by", "number",
        above=0, on_resume=True,
    )  # fmt: skip
    schedule_patience: int = setting(
        3, "schedule", "plateau: number of epochs without a lower validation error before the "
        "learning rate is lowered", "integer", minimum=1, on_resume=True,
    )  # fmt: skip
    schedule_drops: int = setting(
        3, "schedule", "plateau: maximum number of times that the learning rate is lowered",
        "integer", minimum=0, on_resume=True,
    )  # fmt: skip
    rates: tuple[str, ...] = setting(
        (), "schedule",
        "learning rates of layers or parameters after a number of epochs, independent of schedule "
        "and multipliers, e.g. *.bias@0=0.02,conv1@67=1e-5",
        "names", on_resume=True,
    )  # fmt: skip
    freeze: tuple[str, ...] = setting(
        (), "schedule",
        "layers that are not trained, e.g. conv1, or conv1@72 to freeze it after 72 epochs",
        "names", on_resume=True,
    )  # fmt: skip
    final_views: int = setting(
        0, "evaluation", "number of views in the evaluation at the end: 10 = the paper's ten and "
        "the centre alone, 1 = the centre, 0 = no evaluation", "integer", choices=(0, 1, 10),
        on_resume=True,
    )  # fmt: skip
    log_every: int = setting(
        50, "output", "number of steps between lines of metrics.jsonl", "integer", minimum=1
    )
    checkpoint_every: int = setting(
        0, "output", "number of steps between checkpoints; 0 = one after each epoch", "integer",
        minimum=0, on_resume=True,
    )  # fmt: skip
    keep: int = setting(
        2, "output", "number of checkpoints to keep, in addition to the best", "integer",
        minimum=1, on_resume=True,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.accumulate > self.batch_size:
            raise ConfigError(
                f"accumulate is {self.accumulate}; it must be at most batch_size, which is "
                f"{self.batch_size}"
            )
        if self.augment == "device" and self.precision == "fp64":
            raise ConfigError(
                "augment is device, which supports float32 only; with precision fp64 it must be cpu"
            )

    def values(self) -> dict[str, Any]:
        """All settings, by name."""
        return {name: getattr(self, name) for name in SETTINGS}

    def to_toml(self) -> str:
        """One line per setting; settings that are None are omitted."""
        return write_settings(self.values())

    @classmethod
    def from_toml(cls, text: str, source: str = "the configuration") -> TrainConfig:
        """Reads the text that `to_toml` writes.

        Raises:
            ConfigError: the text is not valid TOML, a section or key is unknown, or a value is not
                accepted.
        """
        return cls(**settings_of(read_toml(text, source), source))


_SECTIONS = ("net", "data", "training", "schedule", "evaluation", "output")

# The settings by name, grouped by section.
SETTINGS: Mapping[str, Setting] = {
    field.name: field.metadata["setting"]
    for field in sorted(
        fields(TrainConfig), key=lambda field: _SECTIONS.index(field.metadata["setting"].section)
    )
}


def read_toml(text: str, source: str) -> dict[str, Any]:
    """Parses TOML. Raises ConfigError if the text is not valid."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source} is not valid TOML: {error}") from error


def settings_of(sections: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The settings in a TOML document, by name.

    Args:
        sections: the document.
        source: the name of the document, for error messages.

    Raises:
        ConfigError: a section or key is unknown, or a value is not accepted.
    """
    values: dict[str, Any] = {}
    for section, entries in sections.items():
        if not isinstance(entries, dict):
            raise ConfigError(
                f"{source}: {section} is not in a section; the sections are {_sections()}"
            )
        for key, value in entries.items():
            name = _name(f"{section}.{key}", source)
            values[name] = tuple(value) if isinstance(value, list) else from_utf8(value)
            check(name, SETTINGS[name], values[name])
    return values


def write_settings(values: Mapping[str, Any]) -> str:
    """TOML that `settings_of` reads; settings that are None are omitted."""
    sections: dict[str, list[str]] = {}
    for name, value in values.items():
        if value is not None:
            line = f"{name} = {in_toml(to_utf8(value))}\n"
            sections.setdefault(SETTINGS[name].section, []).append(line)
    return "\n".join(f"[{name}]\n{''.join(lines)}" for name, lines in sections.items())


def full_name(name: str) -> str:
    """``lr`` -> ``training.lr``."""
    return f"{SETTINGS[name].section}.{name}"


def _sections() -> str:
    return ", ".join(dict.fromkeys(setting.section for setting in SETTINGS.values()))


def _name(key: str, source: str) -> str:
    """``training.lr`` or ``lr`` -> ``lr``."""
    section, _, name = key.rpartition(".")
    name = current_name(name, source)
    if name in SETTINGS and section in ("", SETTINGS[name].section):
        return name
    known = {short: full_name(short) for short in SETTINGS}
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {known[near[0]]}? The" if near else "the"
    raise ConfigError(
        f"{source}: there is no setting {key}; {hint} settings are {', '.join(known.values())}"
    )


def parse_value(name: str, text: str) -> Any:
    """Parses the value of the setting `name`; lists may also be written in TOML syntax.

    Raises:
        ConfigError: the setting does not accept the text.
    """
    if SETTINGS[name].kind in ("names", "size") and text.startswith("["):
        value = tuple(read_toml(f"x = {text}", f"{name} {text}")["x"])
        check(name, SETTINGS[name], value)
        return value
    return parse(name, SETTINGS[name], text)


def parse_assignment(text: str) -> tuple[str, Any]:
    """``training.lr=0.1`` or ``lr=0.1`` -> ("lr", 0.1).

    Raises:
        ConfigError: the text has another form, or the setting does not exist.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"--set {text}: expected name=value")
    name = _name(key.strip(), "--set")
    return name, parse_value(name, value.strip())
