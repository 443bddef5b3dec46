"""``alexnet-native train``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alexnet_native import log
from alexnet_native.cli.parser import Commands, add_profile_option
from alexnet_native.config import SETTINGS, TrainConfig, parse_assignment, parse_value
from alexnet_native.config.setting import default_text
from alexnet_native.errors import ConfigError
from alexnet_native.renamed import OLD_NAMES, current_name

__all__ = ["add"]

_METAVARS = {"integer": "N", "number": "X", "text": "NAME", "names": "A,B", "size": "SIZE"}


def add(commands: Commands) -> None:
    parser = commands.add(
        "train",
        _run,
        "train --data demo",
        "train --net cifar10-quick --data cifar-10-batches-bin --epochs 10 --out runs/quick",
        "train --recipe paper --data photos --devices cpu:0,cpu:1",
        "train --recipe mine.toml --data photos --set training.batch_size=256",
        "train --resume runs/quick",
        more="The defaults depend on the network and on the data; --verbose prints every setting.\n"
        "Few images: fewer than 20,000, for named networks with inputs of at least 64 pixels.\n"
        "--data demo has other defaults for epochs, schedule, schedule-factor, color-std,\n"
        "log-every and keep. Ctrl-C saves a checkpoint and exits.",
        usage="[OPTION ...]",
    )
    run = parser.add_argument_group("run")
    run.add_argument("--out", metavar="FOLDER", type=Path, help="folder for logs and checkpoints "
                     "(default: runs/<net>-<data>-<time>)")  # fmt: skip
    run.add_argument("--overwrite", action="store_true",
                     help="replace an existing run in the folder (default: no)")  # fmt: skip
    run.add_argument("--resume", metavar="PATH", type=Path, help="continue the training run of "
                     "this checkpoint or run folder (default: none)")  # fmt: skip
    run.add_argument("--recipe", metavar="NAME", help="settings of a training run: the name of a "
                     "recipe or a TOML file; options given in addition override it "
                     "(default: none)")  # fmt: skip
    run.add_argument("--dry-run", action="store_true", help="print the number of steps, the "
                     "memory, the disk space and the time that training would need; write nothing "
                     "(default: no)")  # fmt: skip
    run.add_argument("--set", metavar="NAME=VALUE", action="append", default=[],
                     help="set any setting by name, e.g. training.lr=0.02; may be repeated "
                     "(default: none)")  # fmt: skip
    run.add_argument("--verbose", action="store_true", help="print every setting at the start "
                     "(default: a summary; the run's config.toml has every setting)")  # fmt: skip
    add_profile_option(run, "print the time of each layer in the first steps")
    groups: dict[str, Any] = {}
    for name, setting in SETTINGS.items():
        if setting.section not in groups:
            groups[setting.section] = parser.add_argument_group(setting.section)
        default = default_text(setting, getattr(TrainConfig, name))
        words: dict[str, Any] = {
            "help": f"{setting.help} (default: {default})", "dest": f"setting_{name}",
        }  # fmt: skip
        if setting.kind == "flag":
            words["action"] = argparse.BooleanOptionalAction
        else:
            words["type"] = _reader(name)
            words["metavar"] = "|".join(map(str, setting.choices)) or _METAVARS[setting.kind]
        groups[setting.section].add_argument(f"--{name.replace('_', '-')}", **words)
    for old, name in OLD_NAMES.items():
        parser.add_argument(
            f"--{old.replace('_', '-')}",
            dest=f"setting_{name}",
            type=_reader(name, old),
            help=argparse.SUPPRESS,
        )


def _reader(name: str, old: str = "") -> Callable[[str], Any]:
    def read(text: str) -> Any:
        if old:
            current_name(old, f"--{old.replace('_', '-')}")
        try:
            return parse_value(name, text)
        except ConfigError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return read


def _run(args: argparse.Namespace) -> None:
    from alexnet_native.recipes import read_recipe
    from alexnet_native.training import prepare, resume
    from alexnet_native.training.banner import summary
    from alexnet_native.training.progress import Reporter, reporter

    given = {
        name: value for name in SETTINGS if (value := getattr(args, f"setting_{name}")) is not None
    }
    given.update(parse_assignment(text) for text in args.set)
    show: Reporter = reporter()
    profiling = None
    if args.profile is not None:
        from alexnet_native.training.profiling import Profiling

        show = profiling = Profiling(show, args.profile if args.profile.name else None)
    if args.resume and args.recipe:
        raise ConfigError(
            f"--recipe {args.recipe}: a training that is resumed keeps its recipe; change single "
            "settings with --set"
        )
    recipe = read_recipe(args.recipe) if args.recipe else None
    if args.dry_run:
        from alexnet_native.training.dry_run import dry_run

        dry_run(
            given, recipe=recipe, resume=args.resume, out=args.out, show=show, verbose=args.verbose
        )
        return
    if args.resume:
        run = resume(
            args.resume,
            given,
            out=args.out,
            overwrite=args.overwrite,
            show=show,
            verbose=args.verbose,
        )
    else:
        run = prepare(
            given,
            recipe=recipe,
            out=args.out,
            overwrite=args.overwrite,
            show=show,
            verbose=args.verbose,
        )
    if profiling:
        profiling.watch(run.net, run.config)
    outcome = run.trainer.run()
    for line in summary(run, outcome):
        log.line(line)
