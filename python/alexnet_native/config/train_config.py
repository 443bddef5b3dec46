"""The settings of a training, all resolved: what a run folder's config.toml and a checkpoint hold.

A field's section, meaning and limits stand beside it; the command line makes its options, and
``--set`` its names, from the same text. Constants are those of Krizhevsky, Sutskever, Hinton
(2012), section 5, where nothing else is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from alexnet_native.config.setting import Setting, check
from alexnet_native.errors import ConfigError

__all__ = ["SETTINGS", "TrainConfig"]


def _setting(default: Any, section: str, help: str, kind: str = "text", **limits: Any) -> Any:
    return field(default=default, metadata={"setting": Setting(section, help, kind, **limits)})


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Every setting of a training run. Raises ConfigError where a value is out of range."""

    net: str = _setting("alexnet", "net", "a network by name, or a TOML file")
    classes: int = _setting(1000, "net", "classes of the last layer", "whole", minimum=1)
    activation: str | None = _setting(
        None, "net", "activation function, of the nets that leave it open (figure1)", optional=True
    )
    engine: str = _setting(
        "auto",
        "net",
        "engine of all convolutions: auto; on CPUs direct, winograd or gemm; on GPUs cudnn or gemm",
    )
    init: str = _setting(
        "own",
        "net",
        "initial weights: the network's own, or He's, which let a deep network start at once",
        choices=("own", "he"),
    )
    precision: str = _setting(
        "fp32",
        "net",
        "arithmetic; tf32: float32 with products rounded to 10 bits of mantissa, on GPUs; bf16: "
        "values and products in bfloat16, sums and parameters in float32",
        choices=("fp32", "tf32", "bf16", "fp64"),
    )
    init_from: str | None = _setting(
        None, "net", "a checkpoint whose matching weights replace the initial ones", optional=True
    )
    devices: tuple[str, ...] = _setting(
        ("cpu:0",), "net", "devices, as cpu:0,cpu:1; two: one tower each", "names", on_resume=True
    )
    replicas: int = _setting(
        1, "net", "copies of the network that share each batch, on equal parts of the devices",
        "whole", minimum=1, on_resume=True,
    )  # fmt: skip
    communicator: str = _setting(
        "built-in", "net", "what sums the gradients of replicas; nccl: NVIDIA's, between GPUs",
        choices=("built-in", "nccl"), on_resume=True,
    )  # fmt: skip
    threads: int = _setting(
        0, "net", "CPU threads in all; 0: all that are allowed", "whole", minimum=0, on_resume=True
    )

    data: str = _setting("demo", "data", "demo, a folder or a file", on_resume=True)
    crop: tuple[int, int] = _setting(
        (224, 224), "data", "the part of a picture that the net sees, as 224 or 224x200", "size"
    )
    random_crop: bool = _setting(True, "data", "training crops at random places", "flag")
    mirror: bool = _setting(True, "data", "training pictures mirrored at random", "flag")
    offsets: str = _setting(
        "exclusive",
        "data",
        "crop offsets below the margin as the paper counts, or up to it as its source drew",
        choices=("exclusive", "inclusive"),
    )
    draw_group: int = _setting(
        1, "data",
        "pictures in a row that share one crop place and one mirroring (2012 source: 32)", "whole",
        minimum=1,
    )  # fmt: skip
    mean: str = _setting(
        "matched",
        "data",
        "mean image subtracted at the crop's place, at the centre, or not at all",
        choices=("matched", "centre", "none"),
    )
    scale: float = _setting(1.0, "data", "factor of the pixels (0..255)", "number", above=0)
    color_divisor: float = _setting(
        1.0, "data", "training pixels with color noise are divided by it (2012 source: 1.1)",
        "number", above=0,
    )  # fmt: skip
    color_std: float = _setting(
        0.1, "data", "deviation of the color noise's coefficients; 0: none", "number", minimum=0
    )
    color_axes: str = _setting(
        "sqrt",
        "data",
        "length of the color axes: the root of the eigenvalue (2012 source) or itself",
        choices=("sqrt", "eigenvalue"),
    )
    color_off: int | None = _setting(
        None, "data", "epochs done from which there is no color noise; left out: never", "whole",
        minimum=0, optional=True, on_resume=True,
    )  # fmt: skip
    augment: str = _setting(
        "cpu",
        "data",
        "where crops, mirrors, color and the mean are applied: by the loader, or on the device",
        choices=("cpu", "device"),
        on_resume=True,
    )
    loader_threads: int = _setting(
        0, "data", "threads of the loader; 0: one beside a training on the CPU, else all allowed",
        "whole", minimum=0, on_resume=True,
    )  # fmt: skip

    epochs: int = _setting(
        90, "training", "passes over the data", "whole", minimum=1, on_resume=True
    )
    steps: int = _setting(
        0, "training", "stop after so many steps; 0: after the epochs", "whole", minimum=0,
        on_resume=True,
    )  # fmt: skip
    batch_size: int = _setting(128, "training", "pictures for each update", "whole", minimum=1)
    accumulate: int = _setting(
        1, "training", "parts that a batch is computed in, to save memory", "whole", minimum=1
    )
    lr: float = _setting(0.01, "training", "learning rate", "number", above=0, on_resume=True)
    bias_lr: float | None = _setting(
        None, "training",
        "learning rate of the biases, outside the schedule; a layer's own multiplier still counts",
        "number", minimum=0, optional=True, on_resume=True,
    )  # fmt: skip
    momentum: float = _setting(
        0.9, "training", "momentum", "number", minimum=0, maximum=1, on_resume=True
    )
    weight_decay: float = _setting(
        5e-4, "training", "decay of the weights", "number", minimum=0, on_resume=True
    )
    seed: int = _setting(0, "training", "key of every random draw", "whole", minimum=0)
    stall_steps: int = _setting(
        300, "training", "steps after which a loss still at ln(classes) is reported; 0: never",
        "whole", minimum=0, on_resume=True,
    )  # fmt: skip

    schedule: str = _setting(
        "constant", "schedule", "constant, plateau, or step@25,51,79 (epochs done)", on_resume=True
    )
    schedule_factor: float = _setting(
        0.1, "schedule", "factor of each drop of the rate", "number", above=0, on_resume=True
    )
    schedule_patience: int = _setting(
        3, "schedule", "plateau: epochs without a lower validation error before a drop", "whole",
        minimum=1, on_resume=True,
    )  # fmt: skip
    schedule_drops: int = _setting(
        3, "schedule", "plateau: at most so many drops", "whole", minimum=0, on_resume=True
    )
    rates: tuple[str, ...] = _setting(
        (), "schedule",
        "rates of layers or parameters from so many epochs on, outside the schedule and without "
        "multipliers, as *.bias@0=0.02,conv1@67=1e-5",
        "names", on_resume=True,
    )  # fmt: skip
    freeze: tuple[str, ...] = _setting(
        (), "schedule", "layers to freeze, as conv1 or conv1@72 (epochs done)", "names",
        on_resume=True,
    )  # fmt: skip

    final_views: int = _setting(
        0, "evaluation", "views of the evaluation at the end; 1: the centre, 10: the paper's ten "
        "and the centre alone, 0: no evaluation", "whole", choices=(0, 1, 10), on_resume=True,
    )  # fmt: skip

    log_every: int = _setting(
        50, "output", "steps between lines of metrics.jsonl", "whole", minimum=1
    )
    checkpoint_every: int = _setting(
        0, "output", "steps between checkpoints; 0: one each epoch", "whole", minimum=0,
        on_resume=True,
    )  # fmt: skip
    keep: int = _setting(
        2, "output", "checkpoints to keep besides the best", "whole", minimum=1, on_resume=True
    )

    def __post_init__(self) -> None:
        for name, setting in SETTINGS.items():
            check(name, setting, getattr(self, name))
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


SETTINGS: Mapping[str, Setting] = {f.name: f.metadata["setting"] for f in fields(TrainConfig)}
