"""Doors to other frameworks; nothing else of the package imports them."""

from __future__ import annotations
