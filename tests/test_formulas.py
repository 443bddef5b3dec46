"""The formulas in comments keep their lines: a formatter once wrapped six of them into prose."""

from __future__ import annotations

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
