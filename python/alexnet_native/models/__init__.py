"""Network descriptions: the named networks, TOML files, and Python."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alexnet_native.errors import ModelError
from alexnet_native.models import alexnet, cifar10, variants
from alexnet_native.models.default_config import default_config
from alexnet_native.models.description import Description, ParamRule
from alexnet_native.paths import expand

__all__ = ["NAMES", "Description", "ParamRule", "default_config", "describe"]

_NETS: dict[str, Callable[..., Description]] = {
    "alexnet": alexnet.alexnet,
    "alexnet-2012": alexnet.alexnet_2012,
    "alexnet-6conv": alexnet.alexnet_6conv,
    "alexnet-one-gpu": alexnet.alexnet_one_gpu,
    "alexnet-single": variants.alexnet_single,
    "caffe-alexnet": variants.caffe_alexnet,
    "caffenet": variants.caffenet,
    "torchvision-alexnet": variants.torchvision_alexnet,
    "cifar10-quick": cifar10.cifar10_quick,
    "cifar10-19pct": cifar10.cifar10_19pct,
    "cifar10-18pct": cifar10.cifar10_18pct,
    "cifar10-13pct": cifar10.cifar10_13pct,
    "cifar10-11pct": cifar10.cifar10_11pct,
    "figure1": cifar10.figure1,
}

NAMES: tuple[str, ...] = tuple(_NETS)


def describe(
    model: str | Path | Description, *, classes: int | None = None, **options: Any
) -> Description:
    """The description of a network.

    Args:
        model: a name in `NAMES`, the path of a TOML file, or a description.
        classes: number of outputs (default: from the network).
        options: options of the named network: ``activation`` for figure1, ``top_device`` for
            networks with two towers.

    Raises:
        ModelError: the network or file does not exist, an option is unknown, or the file is not
            valid.
    """
    if isinstance(model, str) and (build := _NETS.get(model)):
        known = [name for name in inspect.signature(build).parameters if name != "classes"]
        _require_options(model, options, known)
        return build(**options) if classes is None else build(classes, **options)
    if isinstance(model, (str, Path)):
        description = _read(model)
    elif isinstance(model, Description):
        description = model
    else:
        raise ModelError(f"a network must be a name, a file or a Description, not {model!r}")
    _require_options(description.name, options, [])
    return description if classes is None else description.with_classes(classes)


def _read(model: str | Path) -> Description:
    path = expand(model)
    if isinstance(model, str) and path.suffix != ".toml" and not path.is_file():
        near = difflib.get_close_matches(model, NAMES, n=1)
        hint = f": did you mean {near[0]!r}?" if near else "."
        raise ModelError(
            f"there is no network called {model!r}{hint} The networks are {', '.join(NAMES)}; "
            "the path of a .toml file is also accepted"
        )
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ModelError(f"the network file {path} does not exist") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"the network file {path} cannot be read: {error}") from error
    return Description.from_toml(text, source=str(path))


def _require_options(name: str, options: dict[str, Any], known: list[str]) -> None:
    for option in options:
        if option not in known:
            options_are = f"its options are {', '.join(known)}" if known else "it has no options"
            raise ModelError(f"network {name!r} has no option {option!r}; {options_are}")
