"""Where tests run: on the devices that ALEXNET_TEST_DEVICES names (cuda:0,cuda:1), or on CPUs.

What a test does not place runs on the first of them.
"""

from __future__ import annotations

import os

DEVICES = os.environ.get("ALEXNET_TEST_DEVICES", "cpu:0,cpu:1").split(",")
FIRST = DEVICES[0]

# One device for both towers, and two.
TOGETHER = (FIRST, FIRST)
APART = (FIRST, DEVICES[1]) if len(DEVICES) > 1 else TOGETHER
# Of two kinds: what crosses goes by way of the host.
MIXED = [] if FIRST.startswith("cpu") else [(FIRST, "cpu:0"), ("cpu:0", FIRST)]
TOWERS = [*dict.fromkeys((APART, TOGETHER)), *MIXED]
