"""`describe`: the layers of a network with their sizes, costs and devices, and the totals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from alexnet_native.net import BaseNet
from alexnet_native.net.arguments import integer

__all__ = ["NetSummary", "edge_table", "summarise", "table", "timed"]

_MIB = 2**20


class NetSummary(dict[str, Any]):
    """A dictionary of JSON values that prints as a table.

    With several replicas, ``layers`` describes the first replica and its share of the batch.

    Keys:
        name, input, classes, batch, training, devices, layers, parameters: of the network.
        multiply_adds: of the forward pass of one image.
        cross_edges: copies between devices; with milliseconds if they were measured (`timed`).
        bytes_per_step: of all cross edges, forward and backward.
        memory: of each device, in bytes, for the whole batch.
        reduction: the sum of the gradients in each step: number of ``replicas``, ``bytes``, number
            of ``buckets``, name of the ``communicator``.
    """

    def __str__(self) -> str:
        return _text(self)

    __repr__ = __str__


def summarise(net: BaseNet, batch: int, *, training: bool = True) -> NetSummary:
    """Returns the native core's plan for steps of `batch` images.

    Raises:
        ConfigError: `batch` is not an integer of at least 1.
    """
    batch = integer("batch", batch, 1)
    plan = net.native.plan(batch, training)
    edges = plan["cross_edges"]
    return NetSummary(
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


def _text(s: NetSummary) -> str:
    size = _times(s["input"])
    task = "training" if s["training"] else "prediction"
    head = f"{s['name']}: {size} to {s['classes']} classes, {task} with {s['batch']} images"
    parts = [head, _layers(s)]
    if s["cross_edges"]:
        parts.append(_cross_edges(s))
    if s["reduction"]["bytes"]:
        parts.append(_reduction(s))
    parts.append(_memory(s))
    return "\n\n".join(parts)


def _layers(s: NetSummary) -> str:
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


def timed(
    edges: Sequence[Mapping[str, Any]], milliseconds: Sequence[tuple[float, float]]
) -> list[dict[str, Any]]:
    """Returns the cross edges with ``forward_ms`` and ``backward_ms`` from a profile."""
    return [
        {**edge, "forward_ms": forward, "backward_ms": backward}
        for edge, (forward, backward) in zip(edges, milliseconds, strict=True)
    ]


def edge_table(edges: Sequence[Mapping[str, Any]]) -> str:
    """Returns a table of the cross edges: MiB and, if measured, milliseconds per direction."""
    head = ("copy", "from", "to", "forward MiB", "ms", "backward MiB", "ms ")

    def cells(edge: Mapping[str, Any], direction: str) -> tuple[str, str]:
        ms = edge.get(f"{direction}_ms")
        return f"{edge[f'{direction}_bytes'] / _MIB:.2f}", "" if ms is None else f"{ms:.3f}"

    rows = [
        (e["value"], e["source"], e["target"], *cells(e, "forward"), *cells(e, "backward"))
        for e in edges
    ]
    return table(head, rows, right={3, 4, 5, 6})


def _cross_edges(s: NetSummary) -> str:
    edges = s["cross_edges"]
    total = f"{s['bytes_per_step'] / _MIB:.2f} MiB between devices in each step"
    if "forward_ms" in edges[0]:
        total += f", {sum(e['forward_ms'] + e['backward_ms'] for e in edges):.2f} ms of copies"
    else:
        total += "; --measure times the copies"
    return f"{edge_table(edges)}\n{total}"


def _reduction(s: NetSummary) -> str:
    r = s["reduction"]
    return (
        f"{r['bytes'] / _MIB:.2f} MiB of gradients, in {r['buckets']} buckets, are summed over "
        f"{r['replicas']} replicas in each step\nby the communicator {r['communicator']}"
    )


def _memory(s: NetSummary) -> str:
    head = ("memory", "parameters MiB", "activations MiB", "reduction MiB", "total MiB")
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
    """Formats a table; columns without any value are omitted.

    Args:
        head: titles of the columns.
        rows: cells of each row.
        right: indices of right-aligned columns.
        total: cells of the last row, below a line.
    """
    body = [*rows, total] if total else rows
    used = [i for i in range(len(head)) if any(row[i] for row in body)]
    width = {i: max(len(row[i]) for row in [head, *body]) for i in used}

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
