"""`describe`: the layers of a network with their sizes, costs and places, and the totals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alexnet_native.net import Net

__all__ = ["Summary", "summarise", "table"]

_MIB = 2**20


class Summary(dict[str, Any]):
    """A dictionary for programs (JSON values only) whose text is a table for people.

    Keys: ``name``, ``input``, ``classes``, ``batch``, ``training``, ``devices``, ``layers``,
    ``parameters``, ``multiply_adds`` (forward, one image), ``cross_edges``, ``bytes_per_step``
    (over all cross edges, forward and backward), ``memory`` (of the whole batch, in bytes),
    ``reduction`` (``replicas``, and the ``bytes`` of gradients that they sum in each step, in
    ``buckets``, by which ``communicator``). With replicas the layers are those of the first one,
    for its share of the batch.
    """

    def __str__(self) -> str:
        return _text(self)

    __repr__ = __str__


def summarise(net: Net, batch: int, *, training: bool = True) -> Summary:
    """What the native core plans for steps of `batch` images.

    Raises:
        ValueError: `batch` is below 1.
    """
    plan = net.native.plan(batch, training)
    edges = plan["cross_edges"]
    return Summary(
        name=net.description.name,
        input=list(net.input_shape),
        classes=net.classes,
        batch=batch,
        training=training,
        devices=list(net.devices),
        layers=[{**layer, "output": list(layer["output"])} for layer in plan["layers"]],
        parameters=plan["parameters"],
        multiply_adds=plan["multiply_adds"],
        cross_edges=[dict(edge) for edge in edges],
        reduction=dict(plan["reduction"]),
        bytes_per_step=sum(edge["forward_bytes"] + edge["backward_bytes"] for edge in edges),
        memory=[dict(memory) for memory in plan["memory"]],
    )


def _text(s: Summary) -> str:
    size = _times(s["input"])
    use = "training" if s["training"] else "prediction"
    head = f"{s['name']}: {size} to {s['classes']} classes, {use} with {s['batch']} images"
    parts = [head, _layers(s)]
    if s["cross_edges"]:
        parts.append(_cross_edges(s))
    if s["reduction"]["bytes"]:
        parts.append(_reduction(s))
    parts.append(_memory(s))
    return "\n\n".join(parts)


def _layers(s: Summary) -> str:
    head = (
        "layer",
        "type",
        "output",
        "parameters",
        "multiply-adds",
        "MiB",
        "device",
        "engine",
        "std",
    )
    rows = [
        (
            layer["name"],
            layer["type"],
            _times(layer["output"] if max(layer["output"][1:]) > 1 else layer["output"][:1]),
            _count(layer["parameters"]),
            _count(layer["multiply_adds"]),
            _mib(layer["memory_bytes"]),
            layer["device"],
            layer["engine"],
            f"{layer['weight_std']:.4g}" if layer["weight_std"] else "",
        )
        for layer in s["layers"]
    ]
    memory = sum(layer["memory_bytes"] for layer in s["layers"])
    total = ("total", "", "", _count(s["parameters"]), _count(s["multiply_adds"]), _mib(memory))
    return table(head, rows, right={3, 4, 5, 8}, total=(*total, "", "", ""))


def _cross_edges(s: Summary) -> str:
    head = ("copy", "from", "to", "forward MiB", "backward MiB")
    rows = [
        (
            edge["value"],
            edge["source"],
            edge["target"],
            f"{edge['forward_bytes'] / _MIB:.2f}",
            f"{edge['backward_bytes'] / _MIB:.2f}",
        )
        for edge in s["cross_edges"]
    ]
    text = table(head, rows, right={3, 4})
    return f"{text}\n{s['bytes_per_step'] / _MIB:.2f} MiB between devices in each step"


def _reduction(s: Summary) -> str:
    own = s["reduction"]
    return (
        f"{own['bytes'] / _MIB:.2f} MiB of gradients, in {own['buckets']} buckets, are summed over "
        f"{own['replicas']} replicas in each step\nby the communicator {own['communicator']}"
    )


def _memory(s: Summary) -> str:
    head = ("memory", "parameters MiB", "activations MiB", "reduction MiB", "in all MiB")
    rows = [
        (
            memory["device"],
            _mib(memory["parameter_bytes"]),
            _mib(memory["activation_bytes"]),
            _mib(memory["reduction_bytes"]),
            _mib(sum(memory[f"{kind}_bytes"] for kind in ("parameter", "activation", "reduction"))),
        )
        for memory in s["memory"]
    ]
    return table(head, rows, right={1, 2, 3, 4})


def table(
    head: tuple[str, ...],
    rows: Sequence[tuple[str, ...]],
    *,
    right: set[int],
    total: tuple[str, ...] | None = None,
) -> str:
    """Columns as wide as their widest cell, two spaces apart; an empty column is left out."""
    every = [*rows, total] if total else rows
    used = [i for i in range(len(head)) if any(row[i] for row in every)]
    width = {i: max(len(row[i]) for row in [head, *every]) for i in used}

    def line(row: tuple[str, ...]) -> str:
        cells = [row[i].rjust(width[i]) if i in right else row[i].ljust(width[i]) for i in used]
        return "  ".join(cells).rstrip()

    rule = "  ".join("-" * width[i] for i in used)
    lines = [line(head), rule, *map(line, rows)]
    return "\n".join([*lines, rule, line(total)] if total else lines)


def _times(sizes: list[int]) -> str:
    return "x".join(map(str, sizes))


def _count(number: int) -> str:
    return f"{number:,}" if number else ""


def _mib(size: int) -> str:
    return f"{size / _MIB:.1f}" if size else ""
