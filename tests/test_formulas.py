"""Formulas keep their lines in comments, and each of those below has one text in the code.

A formatter once wrapped six comments into prose. The gradient of LRN once stood five times, max
pooling's argmax three times and a window's output size three times, not all with the same rounding.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

FORMULAS = {
    "cpp/ops/lrn.h": [
        "s[i]  = k + alpha * sum_{j in W(i)} x[j]^2",
        "y[i]  = x[i] * s[i]^-beta",
        "dx[i] = dy[i] * s[i]^-beta - 2*alpha*beta * x[i] * sum_{j in W(i)} dy[j] * y[j] / s[j]",
    ],
    "cpp/ops/activation.h": [
        "relu       max(x, 0)            f' = [y > 0]        (Krizhevsky et al. 2012, section 3.1)",
        "tanh       a tanh(b x)          f' = b / a * (a - y) (a + y)",
        "logistic   1 / (1 + e^-x)       f' = y (1 - y)",
        "softplus   log(1 + e^x)         f' = 1 - e^-y",
        "abs        |x|                  f' = sign(x)",
        "abs_tanh   |a tanh(b x)|        f' = sign(x) |a b| (1 - (y/a)^2)",
    ],
    "cpp/ops/local.h": [
        "y[n,o,p,q] = b[o,p,q]",
        "           + sum_{c,i,j} w[o,(c,i,j),p,q] * "
        "x[n, c, p*stride + i - pad, q*stride + j - pad]",
    ],
    "cpp/core/conv.h": [
        "y[n,o,p,q] = b[o]",
        "           + sum_{c,i,j} w[o,c,i,j] * "
        "x[n, g*C/G + c, p*stride + i - pad, q*stride + j - pad]",
    ],
    "cpp/ops/sum_of_ranks.h": ["y = x[0] + x[1] + ... + x[ranks - 1]"],
    "cpp/backends/cpu/winograd/points.h": [
        "y = A^T [(G w) * (B^T d)]      dw = G^T [(A dy) * (B^T d)]",
        "B^T[j]  = the coefficients of prod_{l != j} (x - a_l)",
    ],
}


@pytest.mark.parametrize("file", FORMULAS)
def test_each_formula_stands_on_a_line_of_its_own(file: str) -> None:
    lines = (ROOT / file).read_text().splitlines()
    missing = [formula for formula in FORMULAS[file] if f"//   {formula}" not in lines]
    assert missing == []


def test_the_formatter_leaves_comments_alone() -> None:
    assert "ReflowComments: Never" in (ROOT / ".clang-format").read_text().splitlines()


def test_no_line_of_cpp_is_longer_than_100_columns() -> None:  # nobody else checks comments
    long = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("cpp", "tests", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".h", ".cpp", ".cu", ".cuh")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if len(line) > 100
    ]
    assert long == []


# A formula: its file, what any text of it looks like, and texts of it as they once stood in other
# files.
LRN, MAX_POOL, WINDOW = "cpp/ops/lrn_formula.h", "cpp/ops/max_pool.h", "cpp/ops/window.h"
TEXTS: dict[str, tuple[str, str, list[str]]] = {
    "LRN's scale": (
        LRN,
        r"\bk_? \+ [\w.>-]*alpha|alpha\w* \* [^;+]+ \+ [\w.>-]*\bk\b",
        ["const C scale = p.k + p.alpha * sum;", "return p_.k + p_.alpha * window_sum<kSize>(at);"],
    ),
    "LRN's power": (LRN, r"\bpowf?\(", ["return std::pow(a, -b);", "lane = std::pow(lane, -b);"]),
    "LRN's value": (
        LRN,
        r"\* [\w.]+\.power\b|\.power \*|\* inverse_power\(",
        [
            "y.at(row, col) = C(x.at(row, col)) * inverse_power(scale, p.beta);",
            "own_[v] = grad * powers.power;",
        ],
    ),
    "LRN's slope": (
        LRN,
        r"\b2(\.0?f?)? \* [\w.>-]*(alpha|beta)|alpha_? \* [\w.>-]*beta|beta_? \* [\w.>-]*alpha",
        [
            "2 * p.alpha * p.beta * C(x.at(row, col)) * cross;",
            "const float factor = 2 * p_.alpha * p_.beta;",
        ],
    ),
    "the terms of LRN's sum, from y": (
        LRN,
        r"\* (C\(|load\()?[\w.]*\by(\.at|\.data|\[|\)| )[^;/]{0,20}/ ",
        [
            "cross += C(dy.at(j, col)) * C(y.at(j, col)) / s.at(j, col);",
            "cross += C(dy[q]) * C(y[q]) / s[q];",
            "return load(op.dy.data + at) * load(op.y.data + at) / load(op.s.data + at);",
        ],
    ),
    "the terms of LRN's sum, from x": (
        LRN,
        r"\* [\w.]+\.over\b|inverse_power\([^;]*\) / ",
        [
            "cross_[v] = grad * x(v) * powers.over;",
            "cross += pooled(j, col) * C(x.at(j, col)) * inverse_power(s, p.beta) / s;",
        ],
    ),
    "max pooling's argmax": (
        MAX_POOL,
        r"(\b\w+) > [\w.]+\)? \|\|? \(?\1 != \1\b",
        ["const bool take = v > best || v != v;", "auto take = (v > max.value) | (v != v);"],
    ),
    "the argmax behind a ReLU": (
        MAX_POOL,
        r"argmax = [^;?]+ > |> (0|\w+\{\})\)+ [\w.]*(place|argmax) = ",
        [
            "max.argmax = max.value > 0 ? max.argmax : broadcast(-1);",
            "if (!(best > 0)) place = -1;",
        ],
    ),
    "max pooling's gradient": (
        MAX_POOL,
        r"argmax[^;&|?]{0,20} == |== [^;?]+ \? \w+ : \w+(\{\}|\(0\))",
        [
            "if (int(argmax.at(row, at)) == place) sum += C(dy.at(row, at));",
            "store(to, load(to) + (place == broadcast(tap) ? grad : Vec{}));",
        ],
    ),
    "a position in a window": (
        WINDOW,
        r"\(\w+ - [\w.]*start\(\w+\)\) \* ",
        ["return (i - window.start(oy)) * window.size + j - window.start(ox);"],
    ),
    "a window's output size": (
        WINDOW,
        r"2 \* [\w.]*pad\w* - |room[^;]*/ [\w.]*stride",
        [
            "const int room = in + 2 * pad - kernel;",
            "return (ceil ? (room + stride - 1) / stride : room / stride) + 1;",
            "if ((in + 2 * pad - kernel) / stride + 1 == out) return pad;",
        ],
    ),
    "an average over a window": (
        "cpp/ops/avg_pool.h",
        r"/ \w+(<T>)?\(+[\w.]*(rows|cols)\b",
        ["sum / float((rows.last - rows.first) * (cols.last - cols.first))"],
    ),
}


@functools.cache
def code(path: Path) -> str:
    """The file without its comments, on one line."""
    return " ".join(re.sub(r"//.*", "", path.read_text()).split())


@pytest.mark.parametrize("formula", TEXTS)
def test_a_formula_has_one_text(formula: str) -> None:
    file, pattern, _ = TEXTS[formula]
    found = {
        path.relative_to(ROOT).as_posix(): [match.group() for match in matches]
        for path in sorted((ROOT / "cpp").rglob("*"))
        if path.suffix in (".h", ".cpp", ".cu", ".cuh")
        if (matches := list(re.finditer(pattern, code(path))))
    }
    assert list(found) == [file]
    statements = {s for s in code(ROOT / file).split(";") if re.search(pattern, s)}
    assert 1 <= len(statements) <= 2, statements  # two where one line prepares the other


@pytest.mark.parametrize("formula", TEXTS)
def test_a_second_text_of_a_formula_would_be_found(formula: str) -> None:
    _, pattern, copies = TEXTS[formula]
    assert [copy for copy in copies if not re.search(pattern, copy)] == []
