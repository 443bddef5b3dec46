"""Types of the dictionaries that the native core's profiler returns."""

from __future__ import annotations

from typing import TypedDict

__all__ = ["Cost", "Lane", "PeakRates", "Task"]


class Task(TypedDict):
    label: str  # the layer; or the parameter (update), "data", "labels", "scores", "output"
    what: str  # the op, "gemm", "copy", or a part of an engine
    phase: str  # "forward", "backward", "reduce", "update", "upload", "download", "wait", "other"
    start_ns: int  # on a clock that all lanes share
    end_ns: int


class Lane(TypedDict):
    device: str
    tasks: list[Task]  # in order of execution


class Cost(TypedDict):
    label: str  # `label` of the tasks to which this cost belongs
    phase: str
    lane: int  # index of the lane of these tasks
    layer: str
    type: str
    engine: str
    multiply_adds: int  # for the whole batch, all taps
    padding_multiply_adds: int  # the part of multiply_adds whose tap lies in the padding
    bytes: int  # each operand is read or written once


class PeakRates(TypedDict):  # measured peak rates of a device, per second; 0: not supported
    fp32: float  # floating-point operations
    tf32: float
    bf16: float
    bytes: float  # memory bandwidth
