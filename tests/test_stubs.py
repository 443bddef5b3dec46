"""The stub ``_core.pyi`` against the extension that is installed beside it.

pybind11 writes each function's signature into the first line of its docstring; that line and the
stub are parsed with the same parser and compared: names, order, keyword-only marks, defaults, and
whether something is returned.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest
from alexnet_native import _core

STUB = Path(_core.__file__).with_name("_core.pyi")
Definition = ast.FunctionDef | ast.ClassDef

Parameter = tuple[str, str, str]  # name, "any" or "keyword", default ("" without)


def definitions(body: list[ast.stmt]) -> dict[str, Definition]:
    return {node.name: node for node in body if isinstance(node, Definition)}


def is_type_only(node: ast.stmt) -> bool:
    """TypedDicts and aliases describe values; they do not exist in the extension."""
    if isinstance(node, ast.ClassDef):
        return any(isinstance(base, ast.Name) and base.id == "TypedDict" for base in node.bases)
    return not isinstance(node, ast.FunctionDef)


def is_property(node: Definition) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(d, ast.Name) and d.id == "property" for d in node.decorator_list
    )


def parameters(function: ast.FunctionDef) -> list[Parameter]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = [
        *((p, "any", d) for p, d in zip(positional, defaults, strict=True)),
        *(
            (p, "keyword", d)
            for p, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        ),
    ]
    return [(p.arg, kind, ast.unparse(d) if d else "") for p, kind, d in pairs]


def returns_nothing(function: ast.FunctionDef) -> bool:
    return isinstance(function.returns, ast.Constant) and function.returns.value is None


def native_signature(function: object, where: str) -> ast.FunctionDef:
    line = (function.__doc__ or "").partition("\n")[0]
    text = re.sub(r"<[^>]*>", "...", line)  # the repr of a default that is no literal
    try:
        (node,) = ast.parse(f"def {text}: ...").body
    except SyntaxError:
        raise AssertionError(f"{where}: pybind11 shows no signature: {line!r}") from None
    assert isinstance(node, ast.FunctionDef)
    return node


def same_default(stub: str, native: str) -> bool:
    """``...`` in the stub stands for any default; a list for a tuple is the binding's doing."""
    if stub == "..." or stub == native:
        return bool(stub) == bool(native)
    try:
        values = [ast.literal_eval(text) for text in (stub, native)]
    except (ValueError, SyntaxError):
        return False
    first, second = (tuple(v) if isinstance(v, list) else v for v in values)
    return bool(first == second)


def function_differences(where: str, stub: ast.FunctionDef, function: object) -> list[str]:
    native = native_signature(function, where)
    ours, theirs = parameters(stub), parameters(native)
    found = []
    if [p[:2] for p in ours] != [p[:2] for p in theirs]:
        found.append(f"{where}: the stub takes {ours}, the extension {theirs}")
    else:
        found += [
            f"{where}: {a[0]} is {a[2] or 'required'} in the stub, {b[2] or 'required'} natively"
            for a, b in zip(ours, theirs, strict=True)
            if not same_default(a[2], b[2])
        ]
    if returns_nothing(stub) != returns_nothing(native):
        found.append(f"{where}: only one of the stub and the extension returns nothing")
    return found


def class_differences(stub: ast.ClassDef, native: type) -> list[str]:
    bases = {base.__name__ for base in native.__mro__}
    found = [
        f"{stub.name}: no {ast.unparse(base)} among its bases"
        for base in stub.bases
        if ast.unparse(base) not in bases
    ]
    methods = definitions(stub.body)
    attributes = {
        node.target.id
        for node in stub.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    } | {name for name, node in methods.items() if is_property(node)}
    if issubclass(native, Exception):
        return found
    public = {name for name in vars(native) if not name.startswith("_")}
    if "(self:" in (native.__init__.__doc__ or "").partition("\n")[0]:
        public.add("__init__")
    found += name_differences(stub.name, {*methods, *attributes}, public)
    for name in sorted(public & set(methods) - attributes):
        node = methods[name]
        if isinstance(node, ast.FunctionDef):
            where = f"{stub.name}.{name}"
            found += function_differences(where, node, getattr(native, name))
    found += [
        f"{stub.name}.{name} is an attribute in the stub, a method natively"
        for name in sorted(attributes & public)
        if not isinstance(vars(native)[name], property)
    ]
    return found


def name_differences(where: str, stub: set[str], native: set[str]) -> list[str]:
    return [f"{where}.{name} is in the stub only" for name in sorted(stub - native)] + [
        f"{where}.{name} is in the extension only" for name in sorted(native - stub)
    ]


def differences(stub_text: str, module: ModuleType) -> list[str]:
    tree = ast.parse(stub_text)
    body = [node for node in tree.body if not is_type_only(node)]
    stubs = definitions(body)
    native = {name for name in vars(module) if not name.startswith("_")}
    found = name_differences("_core", set(stubs), native)
    for name in sorted(native & set(stubs)):
        node, value = stubs[name], getattr(module, name)
        if isinstance(node, ast.ClassDef):
            found += class_differences(node, value)
        else:
            found += function_differences(name, node, value)
    return found


def test_the_stub_says_what_the_extension_offers() -> None:
    assert differences(STUB.read_text(), _core) == []


def test_the_version_is_the_projects() -> None:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    match = re.search(r'^version = "(.+)"$', text, re.MULTILINE)
    assert match and _core.__version__ == match[1]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (r"def update\(self\) -> None: \.\.\.", "", "Network.update is in the extension only"),
        (r"def cpu_kernels\(\)", "def kernels()", "cpu_kernels is in the extension only"),
        (r"def devices\(\)", "def devices(kind: str)", "devices: the stub takes"),
        (r"threads: int = 1,", "threads: int = 2,", "augment: threads is 2"),
        (r"seed: int = 0,\n        precision", "seed: int,\n        precision", "seed is required"),
        (r"\*,\n        devices", "devices", "Network.__init__: the stub takes"),
        (r"def update\(self\) -> None", "def update(self) -> int", "returns nothing"),
        (r"class DeviceError\(AlexnetError\)", "class DeviceError(OSError)", "no OSError"),
        (r"    top5: float", "    top6: float", "StepResult.top6 is in the stub only"),
        (r"$(?![\n])", "\ndef invented() -> int: ...\n", "invented is in the stub only"),
    ],
)
def test_a_planted_difference_is_found(old: str, new: str, message: str) -> None:
    text = STUB.read_text()
    changed, count = re.subn(old, new, text)
    assert count == 1, f"{old!r} occurs {count} times in the stub"
    found = differences(changed, _core)
    assert any(message in line for line in found), found
