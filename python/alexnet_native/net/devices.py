"""Creates the native network on its devices."""

from __future__ import annotations

from collections.abc import Sequence

from alexnet_native import _core
from alexnet_native.errors import ModelError
from alexnet_native.models import Description

__all__ = ["COMMUNICATORS", "PRECISIONS", "device_text", "native_network"]

PRECISIONS = ("fp32", "tf32", "bf16", "fp64")
COMMUNICATORS = ("built-in", "nccl")


def native_network(
    description: Description,
    *,
    devices: Sequence[str],
    replicas: int,
    seed: int,
    precision: str,
    threads: int,
    communicator: str,
) -> _core.Network:
    """Builds the network of a description; `Net` describes the arguments.

    Raises:
        ModelError: the description or the devices are invalid.
        UnavailableError: a device or the communicator is not available on this machine.
    """
    _require_distinct_devices(devices, replicas)
    try:
        native = _core.Network(
            description.native_layers(),
            description.input_shape,
            devices=devices,
            seed=seed,
            precision=precision,
            threads=threads,
            replicas=replicas,
            communicator=communicator,
        )
    except ValueError as error:
        raise ModelError(f"network {description.name}: {error}") from error
    if native.classes != description.classes:
        raise ModelError(
            f"network {description.name}: the last layer has {native.classes} outputs, but classes "
            f'is {description.classes}; write channels = "classes"'
        )
    return native


def _require_distinct_devices(devices: Sequence[str], replicas: int) -> None:
    """Raises ModelError if two replicas share a device, where they would wait for each other."""
    if replicas < 2 or len(devices) % replicas:
        return
    size = len(devices) // replicas
    owner: dict[str, int] = {}
    for index, device in enumerate(devices):
        if owner.setdefault(device, index // size) != index // size:
            raise ModelError(
                f"{device} is given for two replicas; replicas cannot share a device: "
                "write for example cpu:0,cpu:1"
            )


def device_text(devices: Sequence[str], replicas: int) -> str:
    """Returns the devices as text: "cpu:0, cpu:1 (2 replicas)"."""
    where = ", ".join(devices)
    return f"{where} ({replicas} replicas)" if replicas > 1 else where
