"""What a training prints before its first step, and after its last."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator
from pathlib import Path

from alexnet_native.checkpoint import LATEST
from alexnet_native.config import SETTINGS, TrainConfig
from alexnet_native.data import Dataset
from alexnet_native.net import BaseNet
from alexnet_native.recipes import FollowedRecipe
from alexnet_native.training.cost_estimate import CostEstimate
from alexnet_native.training.load_pretrained import Pretrained
from alexnet_native.training.run_folder import BEST
from alexnet_native.training.schedule import Plateau, StepDecay, make_schedule
from alexnet_native.training.trainer import Outcome, Run

__all__ = ["banner", "every_setting", "summary"]

WIDTH = 100
_MIB = 2**20


def banner(
    net: BaseNet,
    data: Dataset,
    config: TrainConfig,
    followed: FollowedRecipe | None = None,
    *,
    taken: Pretrained | None = None,
    note: str = "",
    out: Path | str | None = None,
    resumed: bool = False,
) -> Iterator[str]:
    """The lines that are shown before the first step, at most nine: one more says what is read.

    Args:
        taken: what the network took from another checkpoint.
        note: what was chosen for few images, or "".
        out: the run's folder, or what is said in its place; None: not mentioned.
        resumed: the network is that of a checkpoint of this training.
    """
    if taken:
        yield taken.in_a_line()
    yield _network(net, config)
    yield _devices(net, config)
    yield _data(data)
    yield f"images: {_images(data, config)}"
    yield f"training: {_length(net, data, config, resumed)}"
    rate = learning_rate_text(config, validated=data.val is not None, width=WIDTH)
    yield f"learning rate: {rate}"
    if followed:
        yield _recipe(followed, config)
    # The advice on initial weights does not fit a training that takes them from a checkpoint.
    if note and not (taken and followed):
        yield note
    if out is not None:
        yield f"output: {out}" + (" (all settings: config.toml)" if isinstance(out, Path) else "")


def every_setting(
    config: TrainConfig, followed: FollowedRecipe | None = None, taken: Pretrained | None = None
) -> Iterator[str]:
    """A line for each section of the settings, then all of what is shortened above."""
    sections: dict[str, list[str]] = {}
    for name, value in config.values().items():
        if value is not None:
            sections.setdefault(SETTINGS[name].section, []).append(f"{name}={_value_text(value)}")
    for section, settings in sections.items():
        yield f"{section}: {' '.join(settings)}"
    if followed:
        yield from followed.lines(config)
    if taken:
        yield from taken.lines


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
    """ "devices: cpu:0 and cpu:1, one tower each, 1,234 MiB needed in total"."""
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
    """Crop and augmentation."""
    crop = _times(*config.crop)
    varied = []
    if config.crop == data.train.image_shape[:2]:
        varied.append("whole images")
    elif config.random_crop:
        varied.append(f"random {crop} crops")
    else:
        varied.append(f"central {crop} crops")
    if config.mirror:
        varied.append("half mirrored")
    if config.draw_group > 1 and (config.mirror or varied[0].startswith("random")):
        varied[-1] += f" (in groups of {config.draw_group})"
    if config.color_std and config.color_off != 0:
        until = "" if config.color_off is None else f" for {_epochs(config.color_off)}"
        varied.append(f"PCA color noise {config.color_std:g}{until}")
    if len(varied) == 1 and not varied[0].startswith("random"):
        varied.append("no augmentation")
    if config.mean == "none":
        varied.append("no mean subtracted")
    if config.scale != 1:
        varied.append(f"pixels {_factor(config.scale)}")
    if config.augment == "device":
        varied.append("computed on the device")
    return ", ".join(varied)


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
    """The recipe and its deviations: whole if there is room, else as many of their names as fit."""
    found = followed.deviations(config)
    recipe = Path(followed.recipe.name).name
    if not found:
        return f"recipe: {recipe}, no deviations"
    count = _count(len(found), "deviation")
    head = f"recipe: {recipe}, with {count}: "
    names = [deviation.name.rpartition(".")[2] for deviation in found]
    whole = head + "; ".join(
        f"{name} {_value_text(deviation.value)} instead of {_value_text(deviation.wanted)}"
        for name, deviation in zip(names, found, strict=True)
    )
    if len(whole) <= WIDTH:
        return whole
    for kept in range(len(names), 0, -1):
        rest = len(names) - kept
        text = (
            head + ", ".join(names[:kept]) + (f" and {rest} more (see --verbose)" if rest else "")
        )
        if len(text) <= WIDTH:
            break
    return text


def _factor(scale: float) -> str:
    """ "divided by 64", or "multiplied by 0.3"."""
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


def _and(words: tuple[str, ...]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _value_text(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def learning_rate_text(config: TrainConfig, *, validated: bool, width: int) -> str:
    """ "0.01, divided by 10 after 25 and 51 epochs; conv1 frozen after 72 epochs".

    Args:
        validated: there are validation images, so that a plateau looks at their error.
        width: columns of a line; rates outside the schedule are only named where it is too short.
    """
    text = f"{config.lr:g}, {_schedule_text(config, validated)}"
    own = dict(_own_rates(config))
    if not own:
        return text
    whole = "; ".join([text, *own.values()])
    if len(f"learning rate: {whole}") <= width:
        return whole
    layers = list(dict.fromkeys(_layer(name) for name in own))
    short = f"{text}; own rates: {', '.join(layers)}"
    if len(f"learning rate: {short}") <= width:
        return short
    return f"{text}; {len(own)} own rates"


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


def _own_rates(config: TrainConfig) -> Iterator[tuple[str, str]]:
    """What the schedule does not govern: what it is about, and the words for it."""
    if config.bias_lr is not None:
        yield "*.bias", f"biases {config.bias_lr:g}"
    for word in config.rates:
        name, _, rest = word.partition("@")
        epoch, _, rate = rest.partition("=")
        change = "frozen" if float(rate) == 0 else f"{float(rate):g}"
        yield word, f"{_whole(name)} {change}{_after(int(epoch))}"
    for word in config.freeze:
        name, _, epoch = word.partition("@")
        yield word, f"{name} frozen{_after(int(epoch or 0))}"


def _after(epoch: int) -> str:
    if epoch == 0:
        return ""
    return f" after {epoch} epoch{'' if epoch == 1 else 's'}"


def _whole(name: str) -> str:
    return {"*.bias": "biases", "*.weight": "weights"}.get(name, name)


def _layer(word: str) -> str:
    name = word.partition("@")[0]
    whole = _whole(name)
    return whole if whole != name else name.partition(".")[0]


def _drop(factor: float) -> str:
    divisor = 1 / factor
    if divisor > 1 and math.isclose(divisor, round(divisor), rel_tol=1e-6):
        return f"divided by {round(divisor)}"
    return f"multiplied by {factor:g}"


def summary(run: Run, outcome: Outcome) -> Iterator[str]:
    """The last lines of a training that has a folder; the last one names a command to run next."""
    assert run.folder is not None
    place = run.folder.path
    if outcome.interrupted:
        whole = CostEstimate(run.net, run.data, run.config).all_steps
        head = f"stopped after {outcome.step:,} of {_steps(whole)}:"
        last = f"continue with: {_command('train', '--resume', place)}"
    elif outcome.updates == 0 and not outcome.evaluated:
        head = f"nothing to do: all {_steps(outcome.step)} are done;"
        last = f"train longer with: {_longer(run, place)}"
    else:
        head = f"done after {_steps(outcome.step)}:"
        last = _look(run, outcome, place)
    errors = _errors(run, outcome)
    yield f"{head} {errors}" if errors else head[:-1]
    latest, best = (place / "checkpoints" / name for name in (LATEST, BEST))
    other = best.exists() and best.resolve() != latest.resolve()
    yield f"checkpoint: {latest}" + (f"; of the best epoch: {best}" if other else "")
    yield last


def _errors(run: Run, outcome: Outcome) -> str:
    """ "validation error 12.30 % (epoch 10), lowest 11.20 % (epoch 7)"."""
    assert run.folder is not None
    found = [line for line in run.folder.metrics.read() if line["split"] == "val"]
    if not found:
        train = outcome.last("train")
        if train is None:
            return ""
        error = _percent(train.top1_error)
        return f"training error {error} in the last {_span(run)} (no validation images)"
    last = found[-1]
    text = f"validation error {_percent(last['top1_error'])} (epoch {last['epoch']})"
    # A validation within an epoch, where the steps ended, is not compared with those of whole ones.
    each = CostEstimate(run.net, run.data, run.config).epoch_steps
    first = run.trainer.state.first_step
    whole = [line for line in found if (line["step"] - first) % each == 0]
    best = min(whole, key=lambda line: line["top1_error"], default=None)
    known = run.trainer.state.best_error
    if known is not None and (best is None or known < best["top1_error"]):
        return f"{text}, lowest {_percent(known)} (before it was resumed)"
    if best is None:
        return text
    if best is last:
        return f"{text}, the lowest so far" if len(whole) > 1 else text
    return f"{text}, lowest {_percent(best['top1_error'])} (epoch {best['epoch']})"


def _look(run: Run, outcome: Outcome, place: Path) -> str:
    """Ten views, which the training has not measured; else a picture of the reader's own."""
    first = run.config.devices[: len(run.config.devices) // run.config.replicas]
    devices = [] if first[0].startswith("cpu") else ["--devices", ",".join(first)]
    if run.data.val is not None and not outcome.evaluated:
        return f"next: {_command('evaluate', place, '--views', 10, *devices)}"
    return f"next, with a picture of yours: {_command('predict', place, 'photo.jpg', *devices)}"


def _longer(run: Run, place: Path) -> str:
    plan = CostEstimate(run.net, run.data, run.config)
    if plan.all_steps < plan.epoch_steps * run.config.epochs:
        return _command("train", "--resume", place, "--steps", 2 * run.config.steps)
    # Where --steps was as many as the epochs have, more epochs alone would not be trained.
    more = ["--steps", 0] if run.config.steps else []
    return _command("train", "--resume", place, "--epochs", 2 * run.config.epochs, *more)


def _command(command: str, *words: object) -> str:
    """As it is typed; a path that begins with a dash is no option."""
    shown = [f"./{word}" if _looks_like_an_option(word) else str(word) for word in words]
    return shlex.join(["alexnet-native", command, *shown])


def _looks_like_an_option(word: object) -> bool:
    return isinstance(word, Path) and str(word).startswith("-")


def _span(run: Run) -> str:
    every = run.config.log_every
    return "step" if every == 1 else f"steps (at most {every})"


def _steps(count: int) -> str:
    return f"{count:,} step{'' if count == 1 else 's'}"


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"
