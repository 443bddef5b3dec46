"""hypothesis; without it the tests that need it are skipped, and only those."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

__all__ = ["given", "settings", "st"]

if TYPE_CHECKING:
    from hypothesis import given, settings
    from hypothesis import strategies as st
else:
    try:
        from hypothesis import given, settings
        from hypothesis import strategies as st
    except ImportError:

        class _Strategies:
            """Any strategy of any arguments."""

            def __getattr__(self, name: str) -> Any:
                return lambda *words, **options: self

            def __or__(self, other: Any) -> Any:
                return self

        st = _Strategies()

        def given(*words: Any, **options: Any) -> Any:
            return pytest.mark.skip(reason="draws its cases: pip install hypothesis")

        def settings(**options: Any) -> Any:
            return lambda test: test
