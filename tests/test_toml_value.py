"""Values as TOML: by tomli-w and by our own few lines, byte for byte, and back."""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import pytest
from alexnet_native import toml_value
from alexnet_native.toml_value import in_toml
from properties import given, settings, st

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

needs_tomli_w = pytest.mark.skipif(
    importlib.util.find_spec("tomli_w") is None, reason="compares with tomli-w: pip install tomli-w"
)
STRINGS = [
    "", "alexnet", 'a "quoted" folder', "C:\\pictures", "tab\tline\nreturn\r", "\b\f\0\x1f\x7f\x80",
    "'", "é ü 猫 \U0001f408", "\u2028\ufeff\ud7ff", "x = 1", "ends with lines\n\n", "#", "[a]",
]  # fmt: skip
NUMBERS = [
    0, -7, 2**63, True, False, 0.1, 1e22, 1e-7, 5e-324, 1e16, 1.0, -0.0, float("inf"),
    -float("inf"), float("nan"),
]  # fmt: skip
VALUES: list[Any] = [*STRINGS, *NUMBERS, STRINGS, NUMBERS, (), ("cpu:0", "cpu:1"), [[1, 2], []]]


AWKWARD = st.text(st.sampled_from('"\\\t\n\r\b\f\0\x1f\x7f\x80\x9f\u2028\ufeff é猫a'))
VALUE = st.text() | AWKWARD | st.integers() | st.floats() | st.booleans()


def without_tomli_w(value: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    with monkeypatch.context() as patch:
        patch.setattr(toml_value, "tomli_w", None)
        return in_toml(value)


def plain(value: Any) -> Any:
    """Comparable: lists for tuples, text for numbers, so that nan is nan and -0.0 is not 0."""
    return [plain(item) for item in value] if isinstance(value, list | tuple) else repr(value)


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_is_written_without_tomli_w_is_read_back(
    value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = without_tomli_w(value, monkeypatch)
    assert "\n" not in text
    assert plain(tomllib.loads(f"x = {text}")["x"]) == plain(value)


@needs_tomli_w
@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_tomli_w_writes_the_same_bytes(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert without_tomli_w(value, monkeypatch) == in_toml(value)


@needs_tomli_w
@settings(max_examples=1000, deadline=None, derandomize=True)
@given(VALUE | st.lists(VALUE) | st.lists(st.lists(VALUE, max_size=3)))
def test_tomli_w_writes_the_same_bytes_of_any_value(value: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        text = without_tomli_w(value, patch)
    assert text == in_toml(value)
    assert plain(tomllib.loads(f"x = {text}")["x"]) == plain(value)


@pytest.mark.parametrize("value", [None, b"x", {"a": 1}, 1j])
def test_other_values_are_refused_in_words(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TypeError, match="not TOML serializable"):
        without_tomli_w(value, monkeypatch)
