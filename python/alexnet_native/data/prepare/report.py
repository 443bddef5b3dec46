"""report.csv: the inputs that were converted or left out, with the reasons."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from alexnet_native.atomic import replacing
from alexnet_native.data.prepare.inputs import Finding
from alexnet_native.data.shards.index import WORK
from alexnet_native.data.shards.record_names import escaped

__all__ = ["REPORT", "ROWS", "count_report", "rows", "write_report"]

REPORT = "report.csv"
ROWS = "report.rows"  # in the working folder: the rows of the inputs processed so far


def rows(findings: Iterable[Finding]) -> bytes:
    """The findings as lines of the report; names are escaped as in train.names.txt."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(
        (f.split, escaped(f.name), f.outcome, f.kind, escaped(f.detail)) for f in findings
    )
    return text.getvalue().encode()


def write_report(folder: Path, listed: Iterable[Finding]) -> None:
    """Writes the report: findings of the listing first, then those of the conversion."""
    with replacing(folder / REPORT) as file:
        file.write(",".join(Finding._fields).encode() + b"\n")
        file.write(rows(listed))
        file.write((folder / WORK / ROWS).read_bytes())


def count_report(folder: Path) -> Counter[tuple[str, str]]:
    """The number of rows by outcome and kind."""
    with (folder / REPORT).open(encoding="utf-8", newline="") as file:
        return Counter((row["outcome"], row["kind"]) for row in csv.DictReader(file))
