"""Text printed before the first step of a run (the banner) and after its last (the summary)."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from alexnet_native.checkpoint import LATEST, find
from alexnet_native.config import SETTINGS, TrainConfig
from alexnet_native.data import Dataset
from alexnet_native.net import BaseNet
from alexnet_native.recipes import FollowedRecipe
from alexnet_native.training.cost_estimate import CostEstimate
from alexnet_native.training.run_folder import BEST
from alexnet_native.training.schedule import Plateau, StepDecay, make_schedule
from alexnet_native.training.trainer import Outcome, Run

if TYPE_CHECKING:
    from alexnet_native.training.load_pretrained import Pretrained

__all__ = ["banner", "every_setting", "summary"]

WIDTH = 100
_MIB = 2**20


def banner(
    net: BaseNet,
    data: Dataset,
    config: TrainConfig,
    followed: FollowedRecipe | None = None,
    *,
    pretrained: Pretrained | None = None,
    note: str = "",
    out: Path | str | None = None,
    resumed: bool = False,
) -> Iterator[str]:
    """Yields at most nine lines; a run prints one more before them, while it reads the data.

    Args:
        net, data, config: of the run.
        followed: the recipe of the run.
        pretrained: the initial weights that came from a checkpoint.
        note: about settings chosen for few images, or "".
        out: the run folder, or a text printed instead; None omits the line.
        resumed: whether the run is resumed.
    """
    if pretrained:
        yield pretrained.short()
    yield _network(net, config)
    yield _devices(net, config)
    yield _data(data)
    yield f"images: {_images(data, config)}"
    yield f"training: {_length(net, data, config, resumed)}"
    rate = learning_rate_text(config, validated=data.val is not None, width=WIDTH)
    yield f"learning rate: {rate}"
    if followed:
        yield _recipe(followed, config)
    # The note is about initial weights, so it does not apply if they come from a checkpoint.
    if note and not (pretrained and followed):
        yield note
    if out is not None:
        yield f"output: {out}" + (" (all settings: config.toml)" if isinstance(out, Path) else "")


def every_setting(
    config: TrainConfig,
    followed: FollowedRecipe | None = None,
    pretrained: Pretrained | None = None,
) -> Iterator[str]:
    """Yields a line for each section of settings, then in full what `banner` abbreviates."""
    sections: dict[str, list[str]] = {}
    for name, value in config.values().items():
        if value is not None:
            sections.setdefault(SETTINGS[name].section, []).append(f"{name}={_value_text(value)}")
    for section, settings in sections.items():
        yield f"{section}: {' '.join(settings)}"
    if followed:
        yield from followed.lines(config)
    if pretrained:
        yield from pretrained.lines


def _network(net: BaseNet, config: TrainConfig) -> str:
    parameters = net.native.plan(1, False)["parameters"]
    text = (
        f"network: {net.description.name}, {_times(*net.input_shape)} to {net.classes} classes, "
        f"{parameters:,} parameters"
    )
    if net.precision != "fp32":
        text += f", {net.precision}"
    return text + (", He initial weights" if config.init == "he" else "")


def _devices(net: BaseNet, config: TrainConfig) -> str:
    """For example "devices: cpu:0 and cpu:1, one tower each, 1,234 MiB needed in total"."""
    plan = net.native.plan(
        -(-config.batch_size // config.accumulate), accumulates=config.accumulate > 1
    )
    memory = sum(
        row["parameter_bytes"] + row["activation_bytes"] + row["reduction_bytes"]
        for row in plan["memory"]
    )
    size = f"{memory / _MIB:,.0f} MiB"
    if len(net.devices) == 1:
        return f"device: {net.devices[0]}, {size} needed"
    towers = len(net.devices) // net.replicas
    roles = {
        (False, True): "one tower each",
        (True, False): f"{net.replicas} replicas",
        (True, True): f"{net.replicas} replicas of {towers} towers",
    }
    role = roles[net.replicas > 1, towers > 1]
    return f"devices: {_and(net.devices)}, {role}, {size} needed in total"


def _data(data: Dataset) -> str:
    height, width, _ = data.train.image_shape
    validation = f"{len(data.val):,}" if data.val is not None else "no"
    return (
        f"data: {Path(data.name).name}, {_count(len(data.classes), 'class', 'classes')}, "
        f"{len(data.train):,} training and {validation} validation images of "
        f"{_times(height, width)}"
    )


def _images(data: Dataset, config: TrainConfig) -> str:
    """Describes crop and augmentation."""
    crop = _times(*config.crop)
    parts = []
    if config.crop == data.train.image_shape[:2]:
        parts.append("whole images")
    elif config.random_crop:
        parts.append(f"random {crop} crops")
    else:
        parts.append(f"central {crop} crops")
    if config.mirror:
        parts.append("half mirrored")
    if config.draw_group > 1 and (config.mirror or parts[0].startswith("random")):
        parts[-1] += f" (in groups of {config.draw_group})"
    if config.color_std and config.color_off != 0:
        until = "" if config.color_off is None else f" for {_epochs(config.color_off)}"
        parts.append(f"PCA color noise {config.color_std:g}{until}")
    if len(parts) == 1 and not parts[0].startswith("random"):
        parts.append("no augmentation")
    if config.mean == "none":
        parts.append("no mean subtracted")
    if config.scale != 1:
        parts.append(f"pixels {_factor(config.scale)}")
    if config.augment == "device":
        parts.append("computed on the device")
    return ", ".join(parts)


def _length(net: BaseNet, data: Dataset, config: TrainConfig, resumed: bool) -> str:
    plan = CostEstimate(net, data, config)
    every = plan.epoch_steps * config.epochs
    images = min(config.batch_size, len(data.train))
    steps = f"{_count(plan.all_steps, 'step')} of {_count(images, 'image')}"
    if plan.all_steps < every:
        text = f"{steps} ({plan.all_steps / plan.epoch_steps:.3g} of {_epochs(config.epochs)})"
    else:
        text = f"{_epochs(config.epochs)}, {steps}"
    if config.accumulate > 1:
        text += f", computed in {config.accumulate} parts"
        if net.native.state_names():
            text += " with their own batch statistics"
    return text + (f"; resumed at step {net.step:,}" if resumed else "")


def _recipe(followed: FollowedRecipe, config: TrainConfig) -> str:
    """The recipe and its deviations: with values if they fit into the line, else names only."""
    found = followed.deviations(config)
    recipe = Path(followed.recipe.name).name
    if not found:
        return f"recipe: {recipe}, no deviations"
    count = _count(len(found), "deviation")
    head = f"recipe: {recipe}, with {count}: "
    names = [deviation.name.rpartition(".")[2] for deviation in found]
    full = head + "; ".join(
        f"{name} {_value_text(deviation.value)} instead of {_value_text(deviation.wanted)}"
        for name, deviation in zip(names, found, strict=True)
    )
    if len(full) <= WIDTH:
        return full
    for shown in range(len(names), 0, -1):
        rest = len(names) - shown
        text = (
            head + ", ".join(names[:shown]) + (f" and {rest} more (see --verbose)" if rest else "")
        )
        if len(text) <= WIDTH:
            break
    return text


def _factor(scale: float) -> str:
    """For example "divided by 64" or "multiplied by 0.3"."""
    divisor = 1 / scale
    if divisor > 1 and math.isclose(divisor, round(divisor), rel_tol=1e-6):
        return f"divided by {round(divisor)}"
    return f"multiplied by {scale:g}"


def _epochs(count: int) -> str:
    return _count(count, "epoch")


def _count(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def _times(*sides: int) -> str:
    return "x".join(map(str, sides))


def _and(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _value_text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def learning_rate_text(config: TrainConfig, *, validated: bool, width: int) -> str:
    """For example "0.01, divided by 10 after 25 and 51 epochs; conv1 frozen after 72 epochs".

    Args:
        validated: whether there are validation images, whose error a plateau schedule uses.
        width: columns of a line; fixed rates that do not fit are only named, or only counted.
    """
    text = f"{config.lr:g}, {_schedule_text(config, validated)}"
    fixed = dict(_fixed_rates(config))
    if not fixed:
        return text
    full = "; ".join([text, *fixed.values()])
    if len(f"learning rate: {full}") <= width:
        return full
    layers = list(dict.fromkeys(_layer(event) for event in fixed))
    short = f"{text}; fixed rates for {', '.join(layers)}"
    if len(f"learning rate: {short}") <= width:
        return short
    return f"{text}; {_count(len(fixed), 'fixed rate')}"


def _schedule_text(config: TrainConfig, validated: bool) -> str:
    schedule, drop = make_schedule(config), _drop(config.schedule_factor)
    if isinstance(schedule, StepDecay):
        *first, last = map(str, schedule.epochs)
        when = f"{', '.join(first)} and {last}" if first else last
        return f"{drop} after {when} epoch{'' if when == '1' else 's'}"
    if isinstance(schedule, Plateau) and config.schedule_drops > 0:
        error = "validation error" if validated else "training error"
        times = config.schedule_drops
        most = "once" if times == 1 else f"up to {times} times"
        wait = config.schedule_patience
        epochs = "1 epoch" if wait == 1 else f"{wait} epochs"
        return f"{drop} after {epochs} without a lower {error}, {most}"
    return "constant"


def _fixed_rates(config: TrainConfig) -> Iterator[tuple[str, str]]:
    """Yields the rates outside the schedule: (as in the settings, as text)."""
    if config.bias_lr is not None:
        yield "*.bias", f"biases {config.bias_lr:g}"
    for event in config.rates:
        name, _, rest = event.partition("@")
        epoch, _, rate = rest.partition("=")
        change = "frozen" if float(rate) == 0 else f"{float(rate):g}"
        yield event, f"{_readable(name)} {change}{_after(int(epoch))}"
    for event in config.freeze:
        name, _, epoch = event.partition("@")
        yield event, f"{name} frozen{_after(int(epoch or 0))}"


def _after(epoch: int) -> str:
    if epoch == 0:
        return ""
    return f" after {epoch} epoch{'' if epoch == 1 else 's'}"


def _readable(name: str) -> str:
    return {"*.bias": "biases", "*.weight": "weights"}.get(name, name)


def _layer(event: str) -> str:
    name = event.partition("@")[0]
    readable = _readable(name)
    return readable if readable != name else name.partition(".")[0]


def _drop(factor: float) -> str:
    divisor = 1 / factor
    if divisor > 1 and math.isclose(divisor, round(divisor), rel_tol=1e-6):
        return f"divided by {round(divisor)}"
    return f"multiplied by {factor:g}"


def summary(run: Run, outcome: Outcome) -> Iterator[str]:
    """Yields the last lines of a run with a folder; the last one is a command to run next."""
    assert run.folder is not None
    folder = run.folder.path
    if outcome.interrupted:
        total = CostEstimate(run.net, run.data, run.config).all_steps
        head = f"stopped after {outcome.step:,} of {_steps(total)}:"
        last = f"continue with: {_command('train', '--resume', folder)}"
    elif outcome.updates == 0 and not outcome.evaluated:
        head = f"nothing to do: all {_steps(outcome.step)} are done;"
        last = f"train longer with: {_train_longer(run, folder)}"
    else:
        head = f"done after {_steps(outcome.step)}:"
        last = _next_command(run, outcome, folder)
    errors = _errors(run, outcome)
    yield f"{head} {errors}" if errors else head[:-1]
    latest, best = (folder / "checkpoints" / name for name in (LATEST, BEST))
    other = best.exists() and find(best) != find(latest)
    yield f"checkpoint: {latest}" + (f"; best epoch: {best}" if other else "")
    yield last


def _errors(run: Run, outcome: Outcome) -> str:
    """For example "validation error 12.30 % (epoch 10), lowest 11.20 % (epoch 7)"."""
    assert run.folder is not None
    found = [line for line in run.folder.metrics.read() if line["split"] == "val"]
    if not found:
        train = outcome.last("train")
        if train is None:
            return ""
        error = _percent(train.top1_error)
        return f"training error {error} in the last {_interval(run)} (no validation images)"
    last = found[-1]
    text = f"validation error {_percent(last['top1_error'])} (epoch {last['epoch']})"
    # A validation within an epoch (at the end of --steps) is not compared with those after epochs.
    epoch_steps = CostEstimate(run.net, run.data, run.config).epoch_steps
    first = run.trainer.state.first_step
    of_epochs = [line for line in found if (line["step"] - first) % epoch_steps == 0]
    best = min(of_epochs, key=lambda line: line["top1_error"], default=None)
    known = run.trainer.state.best_error
    if known is not None and (best is None or known < best["top1_error"]):
        return f"{text}, lowest {_percent(known)} (before resuming)"
    if best is None:
        return text
    if best is last:
        return f"{text}, the lowest so far" if len(of_epochs) > 1 else text
    return f"{text}, lowest {_percent(best['top1_error'])} (epoch {best['epoch']})"


def _next_command(run: Run, outcome: Outcome, folder: Path) -> str:
    """A command that evaluates with ten views if the run has not done so, or else classifies."""
    first = run.config.devices[: len(run.config.devices) // run.config.replicas]
    devices = [] if first[0].startswith("cpu") else ["--devices", ",".join(first)]
    if run.data.val is not None and not outcome.evaluated:
        return f"next: {_command('evaluate', folder, '--views', 10, *devices)}"
    return f"next, with your own image: {_command('predict', folder, 'photo.jpg', *devices)}"


def _train_longer(run: Run, folder: Path) -> str:
    plan = CostEstimate(run.net, run.data, run.config)
    if plan.all_steps < plan.epoch_steps * run.config.epochs:
        return _command("train", "--resume", folder, "--steps", 2 * run.config.steps)
    # --steps still limits the run if it equals the number of steps of all epochs.
    unlimited = ["--steps", 0] if run.config.steps else []
    return _command("train", "--resume", folder, "--epochs", 2 * run.config.epochs, *unlimited)


def _command(command: str, *arguments: object) -> str:
    """Returns the command for a shell; a path that starts with a dash gets the prefix "./"."""
    shown = [f"./{a}" if _looks_like_an_option(a) else str(a) for a in arguments]
    return shlex.join(["alexnet-native", command, *shown])


def _looks_like_an_option(argument: object) -> bool:
    return isinstance(argument, Path) and str(argument).startswith("-")


def _interval(run: Run) -> str:
    log_every = run.config.log_every
    return "step" if log_every == 1 else f"steps (at most {log_every})"


def _steps(count: int) -> str:
    return f"{count:,} step{'' if count == 1 else 's'}"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"
