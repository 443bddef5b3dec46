"""Interfaces to other frameworks; only gpu_check, tests and benchmarks import them."""

from __future__ import annotations
