"""The levels of docs/architecture.md, checked on the text of every file.

C++: a file includes its own folder and lower levels only, back ends and communicators are reached
through the registry, and a vendor's header appears where that vendor is wrapped. Python: a folder
imports lower folders only, and torch stays in ``interop``. Files are short and say what they hold.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
PACKAGE = "alexnet_native"

CPP_LEVELS = {
    "core": 0,
    "ops": 1,
    "images": 1,
    "data": 2,
    "backends": 2,
    "comm": 2,
    "layers": 3,
    "graph": 4,
    "train": 5,
    "bindings": 6,
}
LOADED_AT_RUN_TIME = ("backends", "comm")

# Who may include a vendor's header: the first folder that the pattern's header is allowed in.
VENDOR_HEADERS = {
    r"(cuda|cublas|cudnn|curand|nvrtc).*": ("backends/cuda",),
    r"nccl.*": ("backends/cuda", "comm"),
    r"mpi.*": ("comm",),
    r"cblas.*|.*openblas.*|immintrin\.h|arm_neon\.h": ("backends/cpu",),
    r"pybind11/.*|Python\.h": ("bindings",),
}

PYTHON_LEVELS = {
    "atomic": 0,
    "errors": 0,
    "json_text": 0,
    "log": 0,
    "libraries": 0,
    "toml_value": 0,
    "paths": 0,
    "locking": 1,
    "_core": 0,
    "_profile": 0,
    "renamed": 1,
    "config": 2,
    "data": 3,
    "models": 3,
    "recipes": 4,
    "checkpoint": 5,
    "net": 6,
    "interop": 7,
    "reports": 7,
    "training": 8,
    "api": 9,
    "gpu_check": 9,
    "cli": 10,
    "__main__": 11,
    "__init__": 11,
}

VAGUE_NAMES = {"utils", "util", "common", "misc", "helpers", "helper"}
LINE_LIMIT = 600
OP_LINE_LIMIT = 150
CPP_SUFFIXES = {".h", ".cpp", ".cu", ".cuh"}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)


def cpp_files(root: Path) -> list[Path]:
    return sorted(p for p in (root / "cpp").rglob("*") if p.suffix in CPP_SUFFIXES)


def python_files(root: Path) -> list[Path]:
    return sorted((root / "python" / PACKAGE).rglob("*.py"))


def home(path: Path) -> str:
    """The folder that keeps to itself: ``core``, but ``backends/cpu``."""
    first, *rest = path.parts
    return f"{first}/{rest[0]}" if first in LOADED_AT_RUN_TIME and len(rest) > 1 else first


def include_breach(root: Path, source: Path, quote: str, header: str) -> str | None:
    own = source.relative_to(root / "cpp")
    if quote == "<":
        for pattern, folders in VENDOR_HEADERS.items():
            if re.fullmatch(pattern, header) and not own.as_posix().startswith(folders):
                return f"{own} includes <{header}>, which belongs to {' and '.join(folders)}"
        return None
    target = Path(header)
    if not (root / "cpp" / target).is_file():
        return f'{own} includes "{header}", which is no path from cpp/'
    if own.parts[0] not in CPP_LEVELS or target.parts[0] not in CPP_LEVELS:
        return f"{own} or {target} is in a folder without a level"
    if home(own) == home(target):
        return None
    if target.parts[0] in LOADED_AT_RUN_TIME:
        return f"{own} includes {target}: back ends are reached through the registry"
    if CPP_LEVELS[target.parts[0]] >= CPP_LEVELS[own.parts[0]]:
        return f"{own} includes {target}, which is not on a lower level"
    return None


def cpp_breaches(root: Path) -> list[str]:
    found = []
    for source in cpp_files(root):
        for quote, header in INCLUDE.findall(source.read_text()):
            if breach := include_breach(root, source, quote, header):
                found.append(breach)
    return found


def imports(source: Path, package_root: Path) -> Iterator[tuple[str, int]]:
    """Yields (dotted module, line) for each import, wherever it stands; ``from`` names included."""
    tree = ast.parse(source.read_text())
    parents = source.relative_to(package_root.parent).with_suffix("").parts
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(parents[: -node.level]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((name, node.lineno) for name in names)


def folder_of(module: str, package_root: Path) -> str:
    """``alexnet_native.data.loader.X`` -> ``data``; names of the package itself -> ``__init__``."""
    parts = module.split(".")
    name = parts[1] if len(parts) > 1 else "__init__"
    if name == "__version__":  # the package hands on the extension's
        return "_core"
    is_folder = (package_root / name).is_dir() or any(package_root.glob(f"{name}.*"))
    return name if is_folder or name in PYTHON_LEVELS else "__init__"


def python_breaches(root: Path) -> list[str]:
    found = []
    package = root / "python" / PACKAGE
    for source in python_files(root):
        own = source.relative_to(package)
        folder = own.with_suffix("").parts[0]
        if folder not in PYTHON_LEVELS:
            found.append(f"{own} is in a folder without a level")
            continue
        for module, line in imports(source, package):
            top = module.split(".")[0]
            if top in ("torch", "torchvision") and folder != "interop":
                found.append(f"{own}:{line} imports {top}, which belongs to interop")
            if top != PACKAGE:
                continue
            target = folder_of(module, package)
            if target == folder or PYTHON_LEVELS[target] < PYTHON_LEVELS[folder]:
                continue
            found.append(f"{own}:{line} imports {module}, which is not in a lower folder")
    return found


def import_graph(root: Path) -> dict[str, set[str]]:
    """The modules that each module of the package imports, also inside functions.

    A module that only loads names of its submodules on demand (``__getattr__``) is not an importer:
    ``alexnet_native/__init__.py``.
    """
    package = root / "python" / PACKAGE
    names = {}
    for source in python_files(root):
        parts = source.relative_to(package.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = source
    graph: dict[str, set[str]] = {name: set() for name in names}
    for name, source in names.items():
        if name == PACKAGE:
            continue
        for target, _ in imports(source, package):
            # ``from package.module import name``: the longest prefix that is a module.
            while target and target not in names:
                target = target.rpartition(".")[0]
            if target not in ("", name, PACKAGE):
                graph[name].add(target)
    return graph


def cycle_breaches(root: Path) -> list[str]:
    """One message for each group of modules that import each other."""
    graph, order, index, low = import_graph(root), [], {}, {}
    found: list[str] = []

    def visit(name: str) -> None:  # Tarjan's strongly connected components
        index[name] = low[name] = len(index)
        order.append(name)
        for target in sorted(graph[name]):
            if target not in index:
                visit(target)
            if target in order:
                low[name] = min(low[name], low[target])
        if low[name] == index[name]:
            group = order[order.index(name) :]
            del order[order.index(name) :]
            if len(group) > 1:
                found.append(f"import cycle: {', '.join(sorted(group))}")

    for name in graph:
        if name not in index:
            visit(name)
    return found


def tidiness_breaches(root: Path) -> list[str]:
    found = []
    extra = [p for d in ("tests", "benchmarks", "examples") for p in (root / d).rglob("*")]
    sources = [*cpp_files(root), *python_files(root), *(root / "python").rglob("*.pyi")]
    for path in sorted({*sources, *(p for p in extra if p.suffix in {".py", *CPP_SUFFIXES})}):
        own = path.relative_to(root)
        if path.stem in VAGUE_NAMES and own.parts[0] != "tests":
            found.append(f"{own}: the name says nothing about what it holds")
        lines = len(path.read_text().splitlines())
        limit = OP_LINE_LIMIT if own.parts[:2] == ("cpp", "ops") else LINE_LIMIT
        if lines > limit:
            found.append(f"{own} has {lines} lines, the limit is {limit}: one idea per file")
    return found


def breaches(root: Path) -> list[str]:
    return [
        *cpp_breaches(root),
        *python_breaches(root),
        *cycle_breaches(root),
        *tidiness_breaches(root),
    ]


def test_the_floors_hold_in_this_repository() -> None:
    assert len(cpp_files(REPOSITORY)) > 30 and len(python_files(REPOSITORY)) > 10
    assert breaches(REPOSITORY) == []


def write(root: Path, path: str, text: str) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A small tree that keeps every rule."""
    write(tmp_path, "cpp/core/view.h", "#include <vector>\n")
    write(tmp_path, "cpp/ops/lrn.h", '#include "core/view.h"\n')
    write(tmp_path, "cpp/backends/cpu/gemm/gemm.h", '#include "core/view.h"\n#include <cblas.h>\n')
    write(tmp_path, "cpp/backends/cpu/gemm/gemm.cpp", '#include "backends/cpu/gemm/gemm.h"\n')
    write(tmp_path, "cpp/backends/cuda/gemm.h", "#include <cublas_v2.h>\n")
    write(tmp_path, "cpp/comm/mpi.h", "#include <mpi.h>\n")
    write(tmp_path, "cpp/layers/lrn.cpp", '#include "ops/lrn.h"\n')
    write(tmp_path, "python/alexnet_native/__init__.py", "from alexnet_native.net import Net\n")
    write(tmp_path, "python/alexnet_native/errors.py", "class UserError(ValueError): ...\n")
    write(tmp_path, "python/alexnet_native/data/loader.py", "from ..errors import UserError\n")
    write(tmp_path, "python/alexnet_native/net.py", "from alexnet_native import _core\n")
    write(tmp_path, "python/alexnet_native/training/trainer.py", "from ..net import Net\n")
    write(tmp_path, "python/alexnet_native/interop/weights.py", "import torch\n")
    write(tmp_path, "tests/helpers.py", "x = 1\n")
    assert breaches(tmp_path) == []
    return tmp_path


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("cpp/core/a.h", '#include "ops/lrn.h"', "not on a lower level"),
        ("cpp/ops/a.h", '  #  include "layers/lrn.cpp"', "not on a lower level"),
        ("cpp/comm/a.cpp", '#include "backends/cpu/gemm/gemm.h"', "through the registry"),
        ("cpp/data/a.cpp", '#include "backends/cpu/gemm/gemm.h"', "through the registry"),
        ("cpp/data/a.h", '#include "layers/lrn.cpp"', "not on a lower level"),
        ("cpp/graph/a.cpp", '#include "backends/cpu/gemm/gemm.h"', "through the registry"),
        ("cpp/bindings/a.cpp", '#include "comm/mpi.h"', "through the registry"),
        ("cpp/backends/cuda/a.cu", '#include "backends/cpu/gemm/gemm.h"', "through the registry"),
        ("cpp/ops/a.h", '#include "lrn.h"', "no path from cpp/"),
        ("cpp/attic/a.h", '#include "core/view.h"', "without a level"),
        ("cpp/core/a.h", "#include <cuda_runtime.h>", "belongs to backends/cuda"),
        ("cpp/layers/a.cpp", "#include <cblas.h>", "belongs to backends/cpu"),
        ("cpp/train/a.cpp", "#include <pybind11/numpy.h>", "belongs to bindings"),
        ("cpp/graph/misc.h", "", "says nothing"),
        ("cpp/graph/long.cpp", "//\n" * 601, "601 lines"),
        ("cpp/ops/long.h", "//\n" * 151, "151 lines"),
        ("python/alexnet_native/data/a.py", "import torch.nn", "belongs to interop"),
        ("python/alexnet_native/net.py", "def f():\n    import torch", "belongs to interop"),
        ("python/alexnet_native/data/a.py", "from ..training import x", "not in a lower folder"),
        ("python/alexnet_native/models/a.py", "import alexnet_native.cli", "not in a lower folder"),
        (
            "python/alexnet_native/models/a.py",
            "from ..data.loader import x",
            "not in a lower folder",
        ),
        ("python/alexnet_native/data/a.py", "from alexnet_native import Net", "not in a lower"),
        ("python/alexnet_native/net.py", "from .cli import main", "not in a lower folder"),
        ("python/alexnet_native/errors.py", "from . import net", "not in a lower folder"),
        ("python/alexnet_native/attic/a.py", "", "without a level"),
        ("python/alexnet_native/models/utils.py", "", "says nothing"),
        ("python/alexnet_native/net.py", "def f():\n    from .cli import x", "not in a lower"),
        ("tests/test_long.py", "#\n" * 601, "601 lines"),
    ],
)
def test_a_planted_breach_is_found(house: Path, path: str, text: str, message: str) -> None:
    write(house, path, text)
    found = breaches(house)
    assert len(found) == 1, found
    assert message in found[0]
    assert path.split("/")[-1] in found[0]


@pytest.mark.parametrize("text", ["from . import b\n", "def f():\n    from .b import x\n"])
def test_a_planted_cycle_is_found(house: Path, text: str) -> None:
    write(house, "python/alexnet_native/data/a.py", text)
    assert breaches(house) == []
    write(house, "python/alexnet_native/data/b.py", "from .c import x\n")
    write(house, "python/alexnet_native/data/c.py", "from alexnet_native.data.a import y\n")
    names = ", ".join(f"alexnet_native.data.{name}" for name in "abc")
    assert breaches(house) == [f"import cycle: {names}"]
