"""The arrays that `Net.params` returns: copies that refuse an assignment that would be lost.

``net.params["conv1.bias"][0] = 1`` changes a copy that nothing else refers to, so the network stays
as it is. Such an assignment raises an error. Whether there is another reference is read from
CPython's reference count, as pandas does for its ChainedAssignmentError; where the count does not
tell, nothing is raised.
"""

from __future__ import annotations

import functools
import sys
from typing import Any, SupportsIndex

import numpy as np
from numpy.typing import NDArray

from alexnet_native.errors import DataError

__all__ = ["ParameterCopy", "as_parameter_copy"]


class ParameterCopy(np.ndarray[Any, Any]):
    """A copy of the parameter `parameter`; results of arithmetic with it are plain arrays."""

    parameter = ""  # empty in arrays that were made from a copy

    def __setitem__(self, key: Any, value: Any) -> None:
        # In copy[0] += 1 the value is a view, which is one more reference to the copy.
        is_view = isinstance(value, ParameterCopy)
        if sys.getrefcount(self) - (is_view and value.base is self) <= _counts()[0]:
            _require_reference(self, others=int(is_view and value.base is self.base))
        super().__setitem__(key, value)

    def fill(self, value: Any) -> None:
        if sys.getrefcount(self) <= _counts()[1]:
            _require_reference(self)
        super().fill(value)

    def sort(self, *arguments: Any, **options: Any) -> None:
        if sys.getrefcount(self) <= _counts()[1]:
            _require_reference(self)
        super().sort(*arguments, **options)

    def __array_wrap__(self, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
        if array is self:  # w += 1
            return self
        return array[()] if array.ndim == 0 else np.asarray(array)

    def __reduce_ex__(self, protocol: SupportsIndex) -> Any:
        return np.asarray(self).__reduce_ex__(protocol)

    def __deepcopy__(self, memo: Any) -> Any:
        return np.array(self)

    def __repr__(self) -> str:
        return repr(np.asarray(self))


def as_parameter_copy(array: NDArray[Any], parameter: str) -> NDArray[Any]:
    """Returns the same memory as a ParameterCopy."""
    view = array.view(ParameterCopy)
    view.parameter = parameter
    return view


def _require_reference(array: ParameterCopy, others: int = 0) -> None:
    """Raises DataError if a temporary array is a copy of a parameter or its only view.

    Args:
        array: the temporary.
        others: number of further views that are temporary.
    """
    name = array.parameter
    # A view of a copy to which only views refer: one reference each, and the argument of the call.
    if isinstance(array.base, ParameterCopy) and sys.getrefcount(array.base) <= 2 + others:
        name = array.base.parameter
    if name:
        raise DataError(
            f"net.params[{name!r}] returns a copy, so this assignment would be lost: write "
            f"w = net.params[{name!r}], change w, and assign it, net.params[{name!r}] = w"
        )


class _Probe:
    count = 0

    def __setitem__(self, key: int, value: int) -> None:
        _Probe.count = sys.getrefcount(self)

    def fill(self, value: int) -> None:
        _Probe.count = sys.getrefcount(self)


@functools.cache
def _counts() -> tuple[int, int]:
    """Returns the reference counts of a temporary in an item assignment and in a method.

    0 where a variable has the same count, as with the borrowed references of Python 3.14.
    """
    _Probe()[0] = 1
    assigned = _Probe.count
    _Probe().fill(1)
    called = _Probe.count
    probe = _Probe()
    probe[0] = 1
    kept = _Probe.count
    probe.fill(1)
    return (assigned if kept > assigned else 0, called if _Probe.count > called else 0)
