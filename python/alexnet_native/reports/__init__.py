"""Reports as text and as JSON: layers, gradient check, profile, benchmark, error tables."""

from __future__ import annotations
