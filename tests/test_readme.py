"""What the README promises in numbers and names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from alexnet_native import Net, __version__
from alexnet_native.models import NAMES

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
ROW = re.compile(r"^\| `([\w-]+)` \|.*?\| (\d+) \| ([\d,]+) \| ([\d,]+) \|$", re.MULTILINE)


def number(text: str) -> int:
    return int(text.replace(",", ""))


def test_every_named_network_has_its_row() -> None:
    assert [row[0] for row in ROW.findall(README)] == list(NAMES)


@pytest.mark.parametrize(("name", "side", "parameters", "multiply_adds"), ROW.findall(README))
def test_a_row_says_what_describe_says(
    name: str, side: str, parameters: str, multiply_adds: str
) -> None:
    net = Net(name)
    plan = net.native.plan(1, False)
    assert net.input_shape == (3, int(side), int(side))
    assert plan["parameters"] == number(parameters)
    assert plan["multiply_adds"] == number(multiply_adds)


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *sorted(
    str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md")
)])  # fmt: skip
def test_links_and_paths_of_a_page_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    folder = (ROOT / page).parent
    links = [
        link.split("#")[0]
        for link in re.findall(r"\]\(([^)]+)\)", text)
        if not link.startswith("http")
    ]
    paths = re.findall(r"`((?:cpp|python|tests|docs|benchmarks|examples)/[\w./-]+)`", text)
    missing = [link for link in links if link and not (folder / link).exists()]
    missing += [path for path in paths if not (ROOT / path).exists()]
    assert missing == []


def test_the_changelog_has_a_section_for_this_version() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d", headings[1])
