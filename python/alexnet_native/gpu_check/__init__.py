"""``python -m alexnet_native.gpu_check``: what a real GPU must show, in one command."""

from __future__ import annotations
