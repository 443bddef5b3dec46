"""The settings of a training, all resolved: what a run folder's config.toml and a checkpoint hold.

A setting is declared once, here or in ``Augmentation``: its default, section, help text and range.
The command line, ``--set``, TOML files, recipes, checkpoints and a network's own defaults read
that declaration. Constants are those of Krizhevsky, Sutskever, Hinton
(2012), section 5, where nothing else is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from alexnet_native.config.augmentation import Augmentation
from alexnet_native.config.setting import Setting, setting
from alexnet_native.errors import ConfigError

__all__ = ["SETTINGS", "TrainConfig"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Augmentation):
    """Every setting of a training run. Raises ConfigError where a value is out of range."""

    net: str = setting("alexnet", "net", "a network by name, or a TOML file")
    classes: int = setting(1000, "net", "classes of the last layer", "whole", minimum=1)
    activation: str | None = setting(
        None, "net", "activation function, of the nets that leave it open (figure1)", optional=True
    )
    engine: str = setting(
        "auto",
        "net",
        "engine of all convolutions: auto; on CPUs direct, winograd or gemm; on GPUs cudnn or gemm",
    )
    init: str = setting(
        "own",
        "net",
        "initial weights: the network's own, or He's, which let a deep network start at once",
        choices=("own", "he"),
    )
    precision: str = setting(
        "fp32",
        "net",
        "arithmetic; tf32: float32 with products rounded to 10 bits of mantissa, on GPUs; bf16: "
        "values and products in bfloat16, sums and parameters in float32",
        choices=("fp32", "tf32", "bf16", "fp64"),
    )
    init_from: str | None = setting(
        None, "net", "a checkpoint whose matching weights replace the initial ones", optional=True
    )
    devices: tuple[str, ...] = setting(
        ("cpu:0",), "net", "devices, as cpu:0,cpu:1; two: one tower each", "names", on_resume=True
    )
    replicas: int = setting(
        1, "net", "copies of the network that share each batch, on equal parts of the devices",
        "whole", minimum=1, on_resume=True,
    )  # fmt: skip
    communicator: str = setting(
        "built-in", "net", "what sums the gradients of replicas; nccl: NVIDIA's, between GPUs",
        choices=("built-in", "nccl"), on_resume=True,
    )  # fmt: skip
    threads: int = setting(
        0, "net", "CPU threads in all; 0: all that are allowed", "whole", minimum=0, on_resume=True
    )

    data: str = setting("demo", "data", "demo, a folder or a file", on_resume=True)
    augment: str = setting(
        "cpu",
        "data",
        "where crops, mirrors, color and the mean are applied: by the loader, or on the device",
        choices=("cpu", "device"),
        on_resume=True,
    )
    loader_threads: int = setting(
        0, "data", "threads of the loader; 0: one beside a training on the CPU, else all allowed",
        "whole", minimum=0, on_resume=True,
    )  # fmt: skip

    epochs: int = setting(
        90, "training", "passes over the data", "whole", minimum=1, on_resume=True
    )
    steps: int = setting(
        0, "training", "stop after so many steps; 0: after the epochs", "whole", minimum=0,
        on_resume=True,
    )  # fmt: skip
    batch_size: int = setting(128, "training", "pictures for each update", "whole", minimum=1)
    accumulate: int = setting(
        1, "training", "parts that a batch is computed in, to save memory", "whole", minimum=1
    )
    lr: float = setting(0.01, "training", "learning rate", "number", above=0, on_resume=True)
    bias_lr: float | None = setting(
        None, "training",
        "learning rate of the biases, outside the schedule; a layer's own multiplier still counts",
        "number", minimum=0, optional=True, on_resume=True,
    )  # fmt: skip
    momentum: float = setting(
        0.9, "training", "momentum", "number", minimum=0, maximum=1, on_resume=True
    )
    weight_decay: float = setting(
        5e-4, "training", "decay of the weights", "number", minimum=0, on_resume=True
    )
    seed: int = setting(0, "training", "key of every random draw", "whole", minimum=0)
    stall_steps: int = setting(
        300, "training", "steps after which a loss still at ln(classes) is reported; 0: never",
        "whole", minimum=0, on_resume=True,
    )  # fmt: skip

    schedule: str = setting(
        "constant", "schedule", "constant, plateau, or step@25,51,79 (epochs done)", on_resume=True
    )
    schedule_factor: float = setting(
        0.1, "schedule", "factor of each drop of the rate", "number", above=0, on_resume=True
    )
    schedule_patience: int = setting(
        3, "schedule", "plateau: epochs without a lower validation error before a drop", "whole",
        minimum=1, on_resume=True,
    )  # fmt: skip
    schedule_drops: int = setting(
        3, "schedule", "plateau: at most so many drops", "whole", minimum=0, on_resume=True
    )
    rates: tuple[str, ...] = setting(
        (), "schedule",
        "rates of layers or parameters from so many epochs on, outside the schedule and without "
        "multipliers, as *.bias@0=0.02,conv1@67=1e-5",
        "names", on_resume=True,
    )  # fmt: skip
    freeze: tuple[str, ...] = setting(
        (), "schedule", "layers to freeze, as conv1 or conv1@72 (epochs done)", "names",
        on_resume=True,
    )  # fmt: skip

    final_views: int = setting(
        0, "evaluation", "views of the evaluation at the end; 1: the centre, 10: the paper's ten "
        "and the centre alone, 0: no evaluation", "whole", choices=(0, 1, 10), on_resume=True,
    )  # fmt: skip

    log_every: int = setting(
        50, "output", "steps between lines of metrics.jsonl", "whole", minimum=1
    )
    checkpoint_every: int = setting(
        0, "output", "steps between checkpoints; 0: one each epoch", "whole", minimum=0,
        on_resume=True,
    )  # fmt: skip
    keep: int = setting(
        2, "output", "checkpoints to keep besides the best", "whole", minimum=1, on_resume=True
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.accumulate > self.batch_size:
            raise ConfigError(
                f"accumulate is {self.accumulate}, more parts than the batch of {self.batch_size} "
                "has pictures"
            )
        if self.augment == "device" and self.precision == "fp64":
            raise ConfigError("augment is device, which works in float32; for fp64 it must be cpu")

    def values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in SETTINGS}

    def to_toml(self) -> str:
        """One line per setting; those that are None are left out."""
        from alexnet_native.config.toml import write_settings

        return write_settings(self.values())

    @classmethod
    def from_toml(cls, text: str, source: str = "the configuration") -> TrainConfig:
        """Reads what `to_toml` wrote.

        Raises:
            ConfigError: no TOML, an unknown section or key, or a value that does not fit.
        """
        from alexnet_native.config.toml import read_toml, settings_of

        return cls(**settings_of(read_toml(text, source), source))


_SECTIONS = ("net", "data", "training", "schedule", "evaluation", "output")

# By name, section by section.
SETTINGS: Mapping[str, Setting] = {
    field.name: field.metadata["setting"]
    for field in sorted(
        fields(TrainConfig), key=lambda field: _SECTIONS.index(field.metadata["setting"].section)
    )
}
