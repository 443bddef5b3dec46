"""Convolution in NumPy float64: loops over taps, and the matrix form (Chellapilla et al. 2006).

Arrays are (N, C, H, W). Part of reference.py.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Kernel = int | tuple[int, int]


def conv_size(length: int, kernel: int, stride: int, pad: int, ceil: bool = False) -> int:
    """The 2012 source rounds up: 224 pixels, kernel 11, stride 4 give 55."""
    steps = (length + 2 * pad - kernel) / stride
    return (math.ceil(steps) if ceil else math.floor(steps)) + 1


def _padded(x: Array, pad: int, height: int, width: int) -> Array:
    """Zeros around the image, and below and to the right as far as the windows reach."""
    out = np.zeros((*x.shape[:2], max(height, x.shape[2] + pad), max(width, x.shape[3] + pad)))
    out[:, :, pad : pad + x.shape[2], pad : pad + x.shape[3]] = x
    return out


def conv(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    stride: int = 1,
    pad: int = 0,
    groups: int = 1,
    ceil: bool = False,
) -> Array:
    """weight (channels, C / groups, kh, kw); output channels read their own group of inputs."""
    channels, per_group, kh, kw = weight.shape
    oh = conv_size(x.shape[2], kh, stride, pad, ceil)
    ow = conv_size(x.shape[3], kw, stride, pad, ceil)
    xp = _padded(x, pad, (oh - 1) * stride + kh, (ow - 1) * stride + kw)
    y = np.zeros((x.shape[0], channels, oh, ow))
    for o in range(channels):
        first = o // (channels // groups) * per_group
        for c in range(per_group):
            for i in range(kh):
                for j in range(kw):
                    taps = xp[
                        :, first + c, i : i + oh * stride : stride, j : j + ow * stride : stride
                    ]
                    y[:, o] += weight[o, c, i, j] * taps[:, :oh, :ow]
        if bias is not None:
            y[:, o] += bias.reshape(-1)[o]
    return y


def im2col(x: Array, kernel: Kernel, stride: int = 1, pad: int = 0, ceil: bool = False) -> Array:
    """Each output position becomes a row with its whole receptive field: (N, P, C * kh * kw)."""
    rows = []
    for window in _fields(x.shape, kernel, stride, pad, ceil):
        field = np.zeros((x.shape[0], x.shape[1], *_sides(kernel)))
        for i, j, r, s in window:
            field[:, :, i, j] = x[:, :, r, s]
        rows.append(field.reshape(x.shape[0], -1))
    return np.stack(rows, axis=1)


def col2im(
    columns: Array,
    shape: tuple[int, ...],
    kernel: Kernel,
    stride: int = 1,
    pad: int = 0,
    ceil: bool = False,
) -> Array:
    """Folds the rows back; where receptive fields overlap, they add."""
    x = np.zeros(shape)
    for row, window in enumerate(_fields(shape, kernel, stride, pad, ceil)):
        field = columns[:, row].reshape(shape[0], shape[1], *_sides(kernel))
        for i, j, r, s in window:
            x[:, :, r, s] += field[:, :, i, j]
    return x


def _sides(kernel: Kernel) -> tuple[int, int]:
    return kernel if isinstance(kernel, tuple) else (kernel, kernel)


def _fields(
    shape: tuple[int, ...], kernel: Kernel, stride: int, pad: int, ceil: bool
) -> Iterator[list[tuple[int, int, int, int]]]:
    """For each output position, its (tap row, tap column, pixel row, pixel column) in the image."""
    height, width = shape[2:]
    kh, kw = _sides(kernel)
    for p in range(conv_size(height, kh, stride, pad, ceil)):
        for q in range(conv_size(width, kw, stride, pad, ceil)):
            taps = []
            for i in range(kh):
                for j in range(kw):
                    r, s = p * stride + i - pad, q * stride + j - pad
                    if 0 <= r < height and 0 <= s < width:
                        taps.append((i, j, r, s))
            yield taps


def conv_backward(
    x: Array,
    weight: Array,
    dy: Array,
    *,
    stride: int = 1,
    pad: int = 0,
    groups: int = 1,
    ceil: bool = False,
) -> tuple[Array, Array, Array]:
    """Gradients by x, weight and bias: dX = fold(dY W^T), dW = X^T dY with X = im2col(x)."""
    kernel = (weight.shape[2], weight.shape[3])
    dx, dw = [], []
    for part, w, d in zip(
        np.split(x, groups, 1), np.split(weight, groups, 0), np.split(dy, groups, 1), strict=True
    ):
        matrix = w.reshape(w.shape[0], -1)  # (channels, Q)
        rows = d.reshape(*d.shape[:2], -1).transpose(0, 2, 1)  # (N, P, channels)
        dx.append(col2im(rows @ matrix, part.shape, kernel, stride, pad, ceil))
        columns = im2col(part, kernel, stride, pad, ceil)
        dw.append(np.einsum("npc,npq->cq", rows, columns).reshape(w.shape))
    return np.concatenate(dx, 1), np.concatenate(dw, 0), dy.sum(axis=(0, 2, 3))


def local(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    *,
    kernel: int,
    stride: int = 1,
    pad: int = 0,
) -> Array:
    """Convolution with its own weights (O, C * k * k, OH, OW) and bias at every output pixel."""
    columns = im2col(x, kernel, stride, pad)  # (N, P, Q)
    channels, taps, oh, ow = weight.shape
    y = np.einsum("npq,oqp->nop", columns, weight.reshape(channels, taps, oh * ow))
    y = y.reshape(x.shape[0], channels, oh, ow)
    return y if bias is None else y + bias.reshape(1, channels, oh, ow)
