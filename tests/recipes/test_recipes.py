"""Recipes: their contents, their precedence over defaults, and the record of every deviation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tiny
from alexnet_native import checkpoint
from alexnet_native.config import TrainConfig
from alexnet_native.errors import ConfigError
from alexnet_native.models import describe
from alexnet_native.net.parameter_groups import rates
from alexnet_native.recipes import ENSEMBLES, NAMES, FollowedRecipe, follow, read_recipe
from alexnet_native.recipes.recipe import figures_for, find_for_net, parse_recipe
from alexnet_native.training import prepare, resume
from alexnet_native.training.schedule import freezes, make_schedule, rate_events, rates_at
from safetensors import safe_open


def config_of(name: str) -> TrainConfig:
    """All settings of a training that is given only this recipe."""
    recipe = read_recipe(name)
    return TrainConfig(**{**follow(recipe, "alexnet").wanted, **recipe.values})


# The values of the paper and of the log of configuration 145, section by section.
PAPER: dict[str, Any] = {
    "net": "alexnet", "init": "own", "crop": (224, 224), "random_crop": True, "mirror": True,
    "offsets": "exclusive", "mean": "matched", "scale": 1.0, "color_std": 0.1,
    "color_divisor": 1.0, "color_off": None, "epochs": 90, "batch_size": 128, "lr": 0.01,
    "bias_lr": None, "momentum": 0.9, "weight_decay": 0.0005, "schedule": "plateau",
    "schedule_factor": 0.1, "schedule_drops": 3, "rates": (), "freeze": (),
}  # fmt: skip
SOURCE: dict[str, Any] = {
    **PAPER, "net": "alexnet-2012", "offsets": "inclusive", "mean": "centre",
    "color_divisor": 1.1, "color_off": 67, "epochs": 91, "schedule": "step@25,51,79",
    "rates": ("*.bias@0=0.02", "conv1.weight@67=1e-5", "conv1@72=0"),
}  # fmt: skip
del SOURCE["schedule_drops"]  # of the plateau


@pytest.mark.parametrize(("name", "wanted"), [("paper", PAPER), ("2012", SOURCE)])
def test_a_recipe_has_the_values_of_its_source(name: str, wanted: dict[str, Any]) -> None:
    config = config_of(name)
    assert {setting: getattr(config, setting) for setting in wanted} == wanted


def test_the_rates_of_2012_are_those_of_the_log() -> None:
    config, network = config_of("2012"), describe("alexnet-2012")
    layers = [layer["name"] for layer in network.layers if layer["type"] in ("conv", "dense")]
    names = [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
    schedule, events = make_schedule(config), rate_events(config.rates, names)
    table = {
        0: (0.01, 0.02, 0.01, 0.02),
        25: (0.001, 0.02, 0.001, 0.02),
        66: (1e-4, 0.02, 1e-4, 0.02),
        67: (1e-5, 0.02, 1e-4, 0.02),
        72: (0.0, 0.0, 1e-4, 0.02),
        90: (0.0, 0.0, 1e-5, 0.02),
    }
    for epoch, wanted in table.items():
        lr = config.lr * schedule.factor(epoch)
        found = rates(
            names, network.rules(), lr=lr, bias_lr=lr, weight_decay=config.weight_decay,
            frozen=(), fixed=rates_at(events, epoch),
        )  # fmt: skip
        learnt = [found[name] for name in ("conv1.weight", "conv1.bias", "fc8.weight", "fc8.bias")]
        assert [rate for rate, _ in learnt] == pytest.approx(wanted, rel=1e-9), epoch
        assert [decay for _, decay in learnt] == [0.0005, 0.0, 0.0005, 0.0]


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_can_be_trained_and_agrees_with_the_default_config_of_its_net(
    name: str,
) -> None:
    recipe, config = read_recipe(name), config_of(name)
    network = describe(config.net)
    make_schedule(config)
    layers = [layer["name"] for layer in network.layers]
    freezes(config.freeze, layers)
    rate_events(
        config.rates, [f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")]
    )
    for setting, value in network.default_config.items():
        assert recipe.values.get(setting, value) == value, setting
    assert recipe.about and recipe.published
    assert {"data", "classes", "seed", "devices"}.isdisjoint(recipe.values)


def test_figures_are_those_of_the_paper_and_the_logs() -> None:
    rows = {
        (name, row.set, row.views): (row.top1, row.top5)
        for name in ("paper", "2012", "one-gpu", "caffe")
        for row in read_recipe(name).published
    }
    assert rows == {
        ("paper", "ILSVRC-2010 test", 1): (39.0, 18.3),
        ("paper", "ILSVRC-2010 test", 10): (37.5, 17.0),
        ("paper", "ILSVRC-2012 validation", 10): (40.7, 18.2),
        ("2012", "ILSVRC-2012 validation", 10): (40.66, 18.21),
        ("2012", "ILSVRC-2010 test", 1): (39.02, 18.30),
        ("2012", "ILSVRC-2010 test", 10): (37.47, 17.00),
        ("one-gpu", "ILSVRC-2010 test", 10): (39.17, 18.23),
        ("caffe", "ILSVRC-2012 validation", 1): (42.9, 19.8),
    }
    assert [(row.nets, row.top1, row.top5) for row in ENSEMBLES] == [
        (1, 40.7, 18.2), (5, 38.1, 16.4), (1, 39.0, 16.6), (7, 36.7, 15.4),
    ]  # fmt: skip


def test_a_net_finds_its_recipe() -> None:
    found = {net: getattr(find_for_net(net), "name", None) for net in ("alexnet", "alexnet-2012")}
    assert found == {"alexnet": "paper", "alexnet-2012": "2012"}
    assert find_for_net("figure1") is None
    assert find_for_net("alexnet-6conv") is None
    assert [(row.top1, row.top5) for row in figures_for("alexnet-6conv", None)] == [(39.0, 16.6)]
    assert figures_for("figure1", None) == ()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("papier", r"no recipe called papier: did you mean paper\? The recipes are paper, 2012, "),
        ("nothing.toml", r"recipe file nothing\.toml does not exist"),
    ],
)
def test_the_error_message_for_an_unknown_recipe_lists_the_known_ones(
    name: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        read_recipe(name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[training", "recipe mine is not valid TOML"),
        ("[training]\nbatch = 3", r"recipe mine: there is no setting training\.batch; "),
        ("[training]\nepochs = 0", r"epochs is 0; it must be an integer of at least 1"),
        ("[recipe]\nname = 'x'", r"name is not a key of \[recipe\]; the keys are about and"),
        ("recipe = 3", r"recipe must be a table"),
        ("[recipe]\npublished = 3", r"published must be tables"),
        (
            "[[recipe.published]]\nset = 'x'\nviews = 1",
            "a published result does not have the field top1",
        ),
        (
            "[[recipe.published]]\ntop1 = 'x'",
            "top1 of a published result is 'x'; it must be a number",
        ),
        (
            "[[recipe.published]]\nerror = 1",
            "error is not a field of a published result; the fields are set",
        ),
    ],
)
def test_an_invalid_recipe_is_refused_with_a_message(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_recipe("mine", text)


@pytest.fixture
def given(tmp_path: Path) -> dict[str, Any]:
    """The paper's recipe for a small network and small images."""
    return {
        "net": str(tiny.write_net(tmp_path / "net.toml")),
        "data": str(tiny.write_npz(tmp_path / "data.npz")),
        "batch_size": 8,
        "epochs": 2,
    }


DEVIATIONS = ["net.net", "data.crop", "training.epochs", "training.batch_size"]


def test_a_recipe_overrides_network_and_data_and_is_overridden_by_given_settings(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    run = prepare(given, recipe=read_recipe("paper"), out=tmp_path / "run")
    config = run.config
    # The default_config of the tiny network: color 0.05, no mirror, scale 0.02, batch 8, 3 epochs.
    assert (config.color_std, config.mirror, config.scale, config.schedule) == (
        0.1, True, 1.0, "plateau",
    )  # fmt: skip
    assert (config.batch_size, config.epochs) == (8, 2)


def test_a_recipe_is_kept_on_few_images(tmp_path: Path) -> None:
    lines: list[str] = []
    show: Any = type("Show", (), {"line": lambda self, text: lines.append(text)})()
    run = prepare(
        {"data": "demo:4:4"}, recipe=read_recipe("paper"), out=tmp_path / "run", show=show
    )
    config = run.config
    assert (config.init, config.scale, config.batch_size) == ("own", 1.0, 128)
    assert (config.epochs, config.color_std, config.schedule) == (90, 0.1, "plateau")
    assert "recipe: paper, no deviations" in lines
    [few] = [line for line in lines if line.startswith("few images: ")]
    assert few.startswith("few images: the recipe is kept; ")
    assert few.endswith("--init he --scale 0.015625 --batch-size 16")


def test_every_deviation_is_reported_and_stored_in_the_checkpoint_and_the_run(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    lines: list[str] = []
    show: Any = type("Show", (), {"line": lambda self, text: lines.append(text)})()
    given |= {"freeze": ("conv1",), "seed": 7, "log_every": 3}
    prepare(given, recipe=read_recipe("paper"), out=tmp_path / "run", show=show, verbose=True)
    [named] = [line for line in lines if line.startswith("recipe: paper, with 5 deviations: ")]
    assert named.endswith(": net, crop, epochs, batch_size, freeze")
    start = lines.index("recipe: paper, with 5 deviations:")
    said = lines[start + 1 : start + 6]
    assert [line.split(" = ")[0].strip() for line in said] == [*DEVIATIONS, "schedule.freeze"]
    assert "  training.batch_size = 8 (recipe: 128)" in said
    assert '  schedule.freeze = ["conv1"] (recipe: [])' in said
    text = (tmp_path / "run" / "recipe.toml").read_text()
    assert all(f"# {line}\n" in text for line in said)
    assert text.endswith(read_recipe("paper").text)
    assert read_recipe(str(tmp_path / "run" / "recipe.toml")).values == read_recipe("paper").values


def deviations(file: Path) -> dict[str, Any]:
    with safe_open(file, framework="numpy") as opened:
        found = json.loads(opened.metadata()["recipe"])
    assert found["text"] == read_recipe("paper").text and found["name"] == "paper"
    values: dict[str, Any] = found["deviations"]
    return values


def test_a_resumed_training_keeps_its_recipe_and_counts_what_changed(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    place = tmp_path / "run"
    prepare({**given, "steps": 3}, recipe=read_recipe("paper"), out=place).trainer.run()
    first = deviations(place / "checkpoints" / "latest")
    assert list(first) == [*DEVIATIONS[:3], "training.steps", DEVIATIONS[3]]
    assert first["training.batch_size"] == {"value": 8, "recipe": 128}
    run = resume(place, {"steps": 0, "momentum": 0.8})
    run.trainer.run()
    second = deviations(place / "checkpoints" / "latest")
    assert list(second) == [*DEVIATIONS, "training.momentum"]
    assert "# " + "  training.momentum = 0.8" in (place / "recipe.toml").read_text()


def test_a_recipe_is_restored_from_a_checkpoint(tmp_path: Path, given: dict[str, Any]) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(read_recipe("2012").text.replace("batch_size = 128", "batch_size = 8"))
    given.pop("batch_size")
    # The rates name conv1 and biases, which the tiny network has too.
    run = prepare({**given, "steps": 1}, recipe=read_recipe(str(file)), out=tmp_path / "run")
    run.trainer.run()
    file.unlink()
    kept = checkpoint.load(tmp_path / "run").followed
    assert isinstance(kept, FollowedRecipe)
    assert kept.recipe.values["rates"] == SOURCE["rates"] and kept.wanted["batch_size"] == 8
    assert [d.name for d in kept.deviations(run.config)] == [
        *DEVIATIONS[:3], "training.steps",
    ]  # fmt: skip
    assert checkpoint.load(tmp_path / "run").followed is not None


def test_the_settings_of_a_run_are_a_recipe(tmp_path: Path, given: dict[str, Any]) -> None:
    first = prepare(given, out=tmp_path / "one")
    again = prepare({}, recipe=read_recipe(str(tmp_path / "one" / "config.toml")),
                    out=tmp_path / "two")  # fmt: skip
    assert again.config == first.config
