"""The parameters and the state of a network as a mapping from names to NumPy arrays."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, MutableMapping
from typing import Any, NoReturn, SupportsIndex

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alexnet_native import _core
from alexnet_native.errors import DataError
from alexnet_native.net.arguments import as_array
from alexnet_native.net.parameter_copy import as_parameter_copy

__all__ = ["Params", "zero_gradients"]


class Params(MutableMapping[str, NDArray[Any]]):
    """Reads and writes parameters by name: "layer.weight" and "layer.bias".

    After the parameters come the values that training changes without a gradient, such as
    "bn1.running_mean" and "bn1.running_var" of batch normalisation.

    Reading returns a copy: assign it back to change the network, ``params["conv1.bias"] = b``. An
    assignment to elements of a copy that is not kept, ``params["conv1.bias"][0] = 1``, is an error.
    A parameter that is split over two towers is read and written as one array. Parameters cannot
    be added or deleted.

    Raises:
        KeyError: there is no such parameter; the message lists similar names.
        DataError: the array has the wrong shape or type, or an assignment would be lost.
        TypeError: an attempt to delete a parameter.
    """

    def __init__(self, native: _core.Network, dtype: type[np.floating[Any]]) -> None:
        self._native, self._dtype = native, dtype
        self._names = [*native.param_names(), *native.state_names()]

    def replace_native(self, native: _core.Network) -> None:
        """Reads and writes the parameters of another native network."""
        self._native = native

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn:
        """Refuses pickle, copy and deepcopy.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            "the parameters of a Net cannot be pickled or copied as such: use dict(net.params), or "
            "write a file with net.save(path) and read it with Net.load(path)"
        )

    def __getitem__(self, name: str) -> NDArray[Any]:
        self._require(name)
        return as_parameter_copy(self._native.get(name), name)

    def __setitem__(self, name: str, value: ArrayLike) -> None:
        self._require(name)
        shape = tuple(self._native.param_shape(name))
        array = as_array(f"the value of parameter {name!r}", value)
        if array.shape != shape:
            raise DataError(f"parameter {name!r} has shape {shape}, the array {array.shape}")
        if array.dtype.kind not in "fiu":
            raise DataError(f"parameter {name!r} must be set to numbers, not {array.dtype}")
        self._native.set(name, "value", np.ascontiguousarray(array, self._dtype))

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"parameter {name!r} cannot be deleted")

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        lines = [f"{name}: {tuple(self._native.param_shape(name))}" for name in self._names]
        return "Params(" + ", ".join(lines) + ")"

    def _require(self, name: str) -> None:
        if name not in self._names:
            near = difflib.get_close_matches(str(name), self._names, n=3)
            if not near:
                names = ", ".join(self._names)
                raise KeyError(f"there is no parameter {name!r}; the parameters are {names}")
            raise KeyError(f"there is no parameter {name!r}; did you mean {' or '.join(near)}?")


def zero_gradients(native: _core.Network) -> None:
    """Drops the gradients and state changes that were accumulated since the last update."""
    for name in native.param_names():
        native.set(name, "gradient", np.zeros_like(native.get(name, "gradient")))
    native.forget_state_changes()
