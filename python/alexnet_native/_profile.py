"""What a profile of the native core consists of: the dictionaries that it returns."""

from __future__ import annotations

from typing import TypedDict

__all__ = ["Cost", "Lane", "PeakRates", "Task"]


class Task(TypedDict):
    label: str  # the layer; the parameter (update), "data", "labels", "scores", "output"
    what: str  # the op, "gemm", "copy", an engine's part
    phase: str  # "forward", "backward", "reduce", "update", "upload", "download", "wait", "other"
    start_ns: int  # of one clock for all lanes
    end_ns: int


class Lane(TypedDict):
    device: str
    tasks: list[Task]  # in order


class Cost(TypedDict):
    label: str  # of the tasks that it is the cost of
    phase: str
    lane: int  # whose tasks
    layer: str
    type: str
    engine: str
    multiply_adds: int  # whole batch, all taps
    padding_multiply_adds: int  # those of them whose tap lies in the padding
    bytes: int  # every operand once


class PeakRates(TypedDict):  # what a device can do at best; per second, 0: it cannot
    fp32: float  # floating-point operations
    tf32: float
    bf16: float
    bytes: float  # between the processor and its memory
