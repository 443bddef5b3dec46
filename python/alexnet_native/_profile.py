"""The dictionaries in a profile of the native core."""

from __future__ import annotations

from typing import TypedDict

__all__ = ["Cost", "Lane", "PeakRates", "Task"]


class Task(TypedDict):
    label: str  # the layer; or the parameter (update), "data", "labels", "scores", "output"
    what: str  # the op, "gemm", "copy", or a part of an engine
    phase: str  # "forward", "backward", "reduce", "update", "upload", "download", "wait", "other"
    start_ns: int  # all lanes use the same clock
    end_ns: int


class Lane(TypedDict):
    device: str
    tasks: list[Task]  # in order


class Cost(TypedDict):
    label: str  # label of the tasks with this cost
    phase: str
    lane: int  # index of the lane of the tasks
    layer: str
    type: str
    engine: str
    multiply_adds: int  # whole batch, all taps
    padding_multiply_adds: int  # of these, the ones whose tap is in the padding
    bytes: int  # every operand counted once


class PeakRates(TypedDict):  # per second; 0 if the device does not support the type
    fp32: float  # floating-point operations
    tf32: float
    bf16: float
    bytes: float  # between the processor and its memory
