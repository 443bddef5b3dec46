"""What a network is and whether it is right, for people and for programs."""

from __future__ import annotations
