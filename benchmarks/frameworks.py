"""The same networks in PyTorch, ONNX Runtime and OpenVINO: functions that return the step to time.

Each network is built from this library's own description of it: for PyTorch by
`alexnet_native.interop.torch_net`, for the other two as an ONNX file that `onnx_model` writes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from alexnet_native.models import Description, describe
from numpy.typing import NDArray
from peer import SGD

__all__ = ["STEPS", "onnx_model", "onnxruntime_step", "openvino_step", "pytorch_step"]


def pytorch_step(
    net: str,
    task: str,
    batch: int,
    threads: int,
    precision: str,
    *,
    channels_last: bool = False,
    compiled: bool = False,
) -> Callable[[], object]:
    """Training with the fused SGD, or prediction; bf16 is autocast, its weights stay float32.

    Args:
        channels_last: the memory format of images and weights.
        compiled: by torch.compile; for prediction with its option "freezing", which lays out the
            weights once for oneDNN.
    """
    import torch
    from alexnet_native.interop.torch_net import Step, build

    torch.set_num_threads(threads)
    torch.manual_seed(1)
    description = describe(net)
    model, shape = build(description)
    images, labels = random_batch(batch, shape, description.classes)
    if task == "train":
        return Step(
            model, images, labels,
            lr=SGD["lr"], momentum=SGD["momentum"], decay=SGD["weight_decay"],
            precision=precision, channels_last=channels_last, compiled=compiled,
        )  # fmt: skip
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = model.eval().to(memory_format=layout)
    inputs = torch.from_numpy(images).contiguous(memory_format=layout)
    run: Callable[[Any], Any] = model
    if compiled:
        import torch._inductor.config

        torch._inductor.config.freezing = True
        run = torch.compile(model)

    def predict() -> object:
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            return run(inputs)

    return predict


def onnxruntime_step(
    net: str, task: str, batch: int, threads: int, precision: str
) -> Callable[[], object]:
    """Prediction in float32: ONNX Runtime has no bfloat16 convolution for CPUs."""
    if (task, precision) != ("infer", "fp32"):
        raise ValueError(f"ONNX Runtime has no {task} in {precision} here")
    import onnxruntime

    description = describe(net)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    with tempfile.TemporaryDirectory() as folder:
        path = onnx_model(Path(folder) / "net.onnx", description, random_params(description), batch)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    images, _ = random_batch(batch, description.input_shape, description.classes)
    return lambda: session.run(None, {"x": images})


def openvino_step(
    net: str, task: str, batch: int, threads: int, precision: str
) -> Callable[[], object]:
    """Prediction, one request at a time on all threads."""
    if task != "infer":
        raise ValueError("OpenVINO does not train")
    import openvino

    description = describe(net)
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[precision],
        "INFERENCE_NUM_THREADS": threads,
    }
    with tempfile.TemporaryDirectory() as folder:
        path = onnx_model(Path(folder) / "net.onnx", description, random_params(description), batch)
        compiled = openvino.Core().compile_model(path, "CPU", settings)
    images, _ = random_batch(batch, description.input_shape, description.classes)
    request = compiled.create_infer_request()
    return lambda: request.infer({0: images}, share_inputs=True)


STEPS: dict[str, Callable[..., Callable[[], object]]] = {
    "PyTorch": pytorch_step,
    "ONNX Runtime": onnxruntime_step,
    "OpenVINO": openvino_step,
}


def random_batch(
    batch: int, shape: tuple[int, int, int], classes: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    rng = np.random.default_rng(1)
    images = rng.standard_normal((batch, *shape), dtype=np.float32)
    return images, rng.integers(0, classes, batch)


def random_params(description: Description) -> dict[str, NDArray[np.float32]]:
    """Weights with which every layer's output has about the size of its input; biases are zero."""
    rng = np.random.default_rng(1)
    params = {}
    for name, shape in shapes(description).items():
        scale = (2 / np.prod(shape[1:])) ** 0.5 if name.endswith("weight") else 0.0
        params[name] = np.float32(scale) * rng.standard_normal(shape, dtype=np.float32)
    return params


def shapes(description: Description) -> dict[str, tuple[int, ...]]:
    """The shape of each parameter, by this library's names."""
    from alexnet_native import Net

    return {name: value.shape for name, value in Net(description).params.items()}


def onnx_model(
    path: Path, description: Description, params: Mapping[str, NDArray[np.float32]], batch: int
) -> Path:
    """Writes the network for `batch` images "x" as an ONNX file, and returns its path.

    It computes what this library computes, except that normalisation does not stop at the border
    between two groups of channels.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    weights = [numpy_helper.from_array(np.array(params[name]), name) for name in params]
    last, flat = "x", False
    _, height, width = description.input_shape
    for layer in description.native_layers():
        kind, name = layer["type"], layer["name"]
        inputs = [last]
        if kind in ("conv", "dense"):
            inputs += [f"{name}.weight", f"{name}.bias"]
        if kind == "dense" and not flat:
            nodes.append(helper.make_node("Flatten", [last], ["flat"]))
            inputs[0], flat = "flat", True
        if kind == "conv":
            pads = [layer.get("pad", 0)] * 4
            if layer.get("ceil"):  # the last window reaches over the bottom and the right edge
                for side, size in enumerate((height, width)):
                    pads[2 + side] += -(size + 2 * pads[0] - layer["kernel"]) % layer["stride"]
            attributes = {
                "kernel_shape": [layer["kernel"]] * 2, "strides": [layer.get("stride", 1)] * 2,
                "pads": pads, "group": layer.get("groups", 1),
            }  # fmt: skip
        elif kind in ("max_pool", "avg_pool"):
            attributes = {
                "kernel_shape": [layer["size"]] * 2, "strides": [layer["stride"]] * 2,
                "ceil_mode": int(layer.get("ceil", False)),
            }  # fmt: skip
        elif kind == "lrn":  # ONNX divides alpha by the size
            alpha = layer["alpha"] * (layer["size"] if layer["alpha_mode"] == "sum" else 1)
            attributes = {
                "size": layer["size"], "alpha": alpha, "beta": layer["beta"], "bias": layer["k"],
            }  # fmt: skip
        else:
            attributes = {"dense": {"transB": 1}, "softmax": {"axis": 1}}.get(kind, {})
        if kind == "dropout":
            if layer.get("mode", "2012") == "inverted":  # does nothing in prediction
                continue
            keep = np.float32(1 - layer.get("rate", 0.5))
            weights.append(numpy_helper.from_array(np.array(keep), f"{name}.keep"))
            inputs.append(f"{name}.keep")
        nodes.append(helper.make_node(OPERATORS[kind], inputs, [name], **attributes))
        last = name
    graph = helper.make_graph(
        nodes, description.name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *description.input_shape])],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, [batch, description.classes])],
        weights,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


OPERATORS = {
    "conv": "Conv",
    "dense": "Gemm",
    "dropout": "Mul",
    "max_pool": "MaxPool",
    "avg_pool": "AveragePool",
    "lrn": "LRN",
    "relu": "Relu",
    "softmax": "Softmax",
}
