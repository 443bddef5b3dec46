"""``help()`` on the extension says something: each class, method and function has a docstring."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import pytest
from alexnet_native import _core


def words(value: object) -> str:
    """The docstring without the lines of signatures that pybind11 writes before it."""
    own = vars(value) if isinstance(value, type) else {"__doc__": value.__doc__}
    lines = (own.get("__doc__") or "").splitlines()
    return "\n".join(line for line in lines if ") -> " not in line).strip()


def undocumented(module: ModuleType | SimpleNamespace) -> list[str]:
    found = []
    for name, value in vars(module).items():
        if name.startswith("_"):
            continue
        if not words(value):
            found.append(name)
        if not isinstance(value, type) or issubclass(value, Exception):
            continue
        members = {n: m for n, m in vars(value).items() if not n.startswith("_")}
        init = vars(value).get("__init__")
        if init and "(self:" in (init.__doc__ or ""):  # it can be constructed from Python
            members["__init__"] = init
        found += [f"{name}.{n}" for n, member in members.items() if not words(member)]
    return sorted(found)


def test_every_name_of_the_extension_has_a_docstring() -> None:
    assert undocumented(_core) == []


def test_the_docstrings_of_network_name_dtypes_and_errors() -> None:
    text = words(_core.Network)
    for word in ("float32", "float64", "int32", "(N, C, H, W)", "ValueError", "DeviceError"):
        assert word in text
    for line in text.splitlines():
        assert len(line) <= 80


class Planted:
    """Says what it is."""

    def silent(self) -> None: ...

    def signed(self) -> None: ...

    signed.__doc__ = "signed(self: Planted) -> None\n"

    def documented(self) -> None: ...

    documented.__doc__ = "documented(self: Planted) -> None\n\nDoes nothing.\n"


class Bare(Planted):
    pass


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        ({"Planted": Planted}, ["Planted.signed", "Planted.silent"]),
        ({"Bare": Bare}, ["Bare"]),  # an inherited docstring does not count
        ({"_private": Bare}, []),
    ],
)
def test_a_missing_docstring_is_found(names: dict[str, object], missing: list[str]) -> None:
    assert undocumented(SimpleNamespace(**names)) == missing
