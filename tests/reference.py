"""AlexNet's formulas in NumPy float64: slow, written from the papers, and the truth for the tests.

Arrays are (N, C, H, W). Nothing here shares code, layout tricks or constants with the native core.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from reference_conv import col2im as col2im
from reference_conv import conv as conv
from reference_conv import conv_backward as conv_backward
from reference_conv import conv_size as conv_size
from reference_conv import im2col as im2col
from reference_conv import local as local

Array = NDArray[np.float64]


def numeric_gradient(
    f: Callable[[Array], Array], x: Array, dy: Array, eps: float = 1e-5, apart: int = 0
) -> Array:
    """d sum(f(x) * dy) / dx by central differences; error about 1e-9 where f is smooth.

    Where f treats the first `apart` axes (1: images, 2: also channels) independently of one
    another, they are bumped together.
    """
    grad = np.zeros_like(x)
    for i in np.ndindex(x.shape[apart:]):
        at = (slice(None),) * apart + i
        bump = np.zeros_like(x)
        bump[at] = eps
        change = (f(x + bump) - f(x - bump)) * dy
        grad[at] = change.sum(axis=tuple(range(apart, change.ndim))) / (2 * eps)
    return grad


def dense(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """weight (channels, features, 1, 1); the input is flattened."""
    channels = weight.shape[0]
    y = x.reshape(x.shape[0], -1) @ weight.reshape(channels, -1).T
    if bias is not None:
        y = y + bias.reshape(1, channels)
    return y.reshape(x.shape[0], channels, 1, 1)


ACTIVATIONS: dict[str, Callable[..., Array]] = {
    "relu": lambda x: np.maximum(x, 0),
    "tanh": lambda x, a=1.0, b=1.0: a * np.tanh(b * x),
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "softplus": lambda x: np.logaddexp(0, x),
    "abs": np.abs,
    "abs_tanh": lambda x, a=1.0, b=1.0: np.abs(a * np.tanh(b * x)),
}


def batch_norm(x: Array, weight: Array, bias: Array, *, eps: float = 1e-5) -> Array:
    """Ioffe and Szegedy 2015, algorithm 1: each channel by the mean and variance of its values."""
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        values = x[:, c]
        mean = values.sum() / values.size
        var = ((values - mean) ** 2).sum() / values.size
        y[:, c] = weight[c] * (values - mean) / np.sqrt(var + eps) + bias[c]
    return y


def batch_norm_inference(
    x: Array, weight: Array, bias: Array, mean: Array, var: Array, *, eps: float = 1e-5
) -> Array:
    """The same by running means and variances, one for each channel."""
    scale, *others = (v.reshape(-1, 1, 1) for v in (weight / np.sqrt(var + eps), mean, bias))
    return scale * (x - others[0]) + others[1]


def running_statistics(
    x: Array, mean: Array, var: Array, *, momentum: float = 0.1
) -> tuple[Array, Array]:
    """The running values after a step on x, as torch.nn.BatchNorm2d has them."""
    batch_mean = x.mean(axis=(0, 2, 3))
    batch_var = x.var(axis=(0, 2, 3), ddof=1)
    return (
        (1 - momentum) * mean + momentum * batch_mean,
        (1 - momentum) * var + momentum * batch_var,
    )


def lrn(
    x: Array,
    *,
    size: int = 5,
    k: float = 2.0,
    alpha: float = 1e-4,
    beta: float = 0.75,
    alpha_mode: str = "sum",
    groups: int = 1,
) -> Array:
    """Section 3.3 of the paper; alpha times the plain sum ("sum") or the window's mean ("mean")."""
    if alpha_mode == "mean":
        alpha = alpha / size
    half, y = size // 2, []
    for part in np.split(x, groups, axis=1):
        for c in range(part.shape[1]):
            squares = (part[:, max(0, c - half) : c + half + 1] ** 2).sum(1)
            y.append(part[:, c] / (k + alpha * squares) ** beta)
    return np.stack(y, axis=1)


def lrn_within(
    x: Array,
    *,
    size: int = 5,
    k: float = 1.0,
    alpha: float = 1e-4,
    beta: float = 0.75,
    alpha_mode: str = "sum",
) -> Array:
    """The 2012 source's spatial norm: squares of one map's size x size window, zero outside."""
    if alpha_mode == "mean":
        alpha = alpha / size**2
    half, sums = size // 2, np.zeros_like(x)
    for i in range(x.shape[2]):
        for j in range(x.shape[3]):
            window = x[:, :, max(0, i - half) : i + half + 1, max(0, j - half) : j + half + 1]
            sums[:, :, i, j] = (window**2).sum(axis=(2, 3))
    return x / (k + alpha * sums) ** beta


def pool_size(length: int, size: int, stride: int, pad: int, ceil: bool) -> int:
    """Rounded up with `ceil`, but the last window starts inside the image or the left padding."""
    count = conv_size(length, size, stride, pad, ceil)
    while (count - 1) * stride - pad >= length:
        count -= 1
    return count


def pool(
    reduce: Callable[..., Array],
    x: Array,
    *,
    size: int,
    stride: int,
    pad: int = 0,
    ceil: bool = False,
) -> Array:
    """`reduce` (np.max, np.mean) over each window, clipped to the image."""
    oh = pool_size(x.shape[2], size, stride, pad, ceil)
    ow = pool_size(x.shape[3], size, stride, pad, ceil)
    y = np.zeros((*x.shape[:2], oh, ow))
    for p in range(oh):
        for q in range(ow):
            top, left = p * stride - pad, q * stride - pad
            window = x[:, :, max(0, top) : top + size, max(0, left) : left + size]
            y[:, :, p, q] = reduce(window, axis=(2, 3))
    return y


def max_pool(x: Array, **window: int) -> Array:
    return pool(np.max, x, **window)


def avg_pool(x: Array, **window: int) -> Array:
    return pool(np.mean, x, **window)


def softmax(x: Array) -> Array:
    """Over the classes, axis 1."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def cross_entropy(x: Array, labels: NDArray[np.int32]) -> Array:
    """Nats per image, (N,)."""
    flat = x.reshape(x.shape[0], -1)
    return np.logaddexp.reduce(flat, axis=1) - flat[np.arange(len(labels)), labels]


def credit(scores: Array, label: int, k: int) -> float:
    """A hit in the first k counts 1; a tie across the k-th place shares what is left of it."""
    above = int((scores > scores[label]).sum())
    tied = int((scores == scores[label]).sum())
    return min(max((k - above) / tied, 0.0), 1.0)


def philox4x32(counter: tuple[int, ...], key: tuple[int, int]) -> tuple[int, ...]:
    """Philox4x32-10 of Salmon et al. (SC 2011): ten rounds, the key bumped between them."""
    mask = 0xFFFFFFFF
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c0, 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c2, 2**32)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + 0x9E3779B9) & mask, (k1 + 0xBB67AE85) & mask
    return c0, c1, c2, c3


def site_of(name: str) -> int:
    """32-bit FNV-1a."""
    h = 0x811C9DC5
    for byte in name.encode():
        h = ((h ^ byte) * 0x01000193) % 2**32
    return h


def random_bits(seed: int, site: int, step: int, element: int) -> int:
    """One of the four words of the block at (element / 4, site, step)."""
    mask, block = 0xFFFFFFFF, element // 4
    counter = (block & mask, (block >> 32) ^ (step >> 32), site, step & mask)
    return philox4x32(counter, (seed & mask, seed >> 32))[element % 4]


def sgd(
    w: Array, v: Array, g: Array, *, lr: float, momentum: float, decay: float
) -> tuple[Array, Array]:
    """Section 5 of the paper: the rate is inside the velocity."""
    v = momentum * v - decay * lr * w - lr * g
    return w + v, v


def ten_view_average(predict: Callable[[Array], Array], images: Array, crop: int) -> Array:
    """Four corners and the centre, plain and mirrored: the mean of the ten probabilities."""
    far = images.shape[2] - crop
    total = 0.0
    for top, left in [(0, 0), (0, far), (far // 2, far // 2), (far, 0), (far, far)]:
        view = images[:, :, top : top + crop, left : left + crop]
        total = total + predict(view) + predict(view[:, :, :, ::-1])
    return total / 10
