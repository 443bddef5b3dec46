"""The paper's input pipeline in PyTorch, NumPy and Pillow, as an experienced user writes it.

Workers of a DataLoader crop, mirror, subtract the mean image and add the color noise of section
4.1, on float32 images of 0 to 255. The images come from JPEGs or from a uint8 memory map of
prepared images. From the map they are read one by one, with the default collation, or by whole
batches that are written directly to the batch's tensor.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.utils.data import DataLoader, Dataset

__all__ = ["batches"]

SIZE, CROP = 256, 224


class _Augmented(Dataset[tuple[torch.Tensor, int]]):
    def __init__(self, mean: NDArray[np.float32], axes: NDArray[np.float32]) -> None:
        self.mean, self.axes = mean, axes  # (3, 256, 256); (3, 3), each row one component
        self.random: np.random.Generator | None = None

    def image(self, index: int) -> NDArray[np.uint8]:
        raise NotImplementedError

    def label(self, index: int) -> int:
        return index % 2

    def write(self, index: int, out: NDArray[np.float32]) -> None:
        """The image, augmented, into float32 (3, 224, 224)."""
        if self.random is None:  # of a worker, once
            self.random = np.random.default_rng(torch.initial_seed())
        y, x = self.random.integers(0, SIZE - CROP, 2)
        window = self.image(index)[y : y + CROP, x : x + CROP]
        np.copyto(out, window.transpose(2, 0, 1))
        out -= self.mean[:, y : y + CROP, x : x + CROP]
        shift = self.random.normal(0, 0.1, 3).astype(np.float32) @ self.axes
        out += shift[:, np.newaxis, np.newaxis]
        if self.random.random() < 0.5:
            out[:] = out[:, :, ::-1].copy()

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        out = np.empty((3, CROP, CROP), np.float32)
        self.write(index, out)
        return torch.from_numpy(out), self.label(index)


class Jpegs(_Augmented):
    """JPEGs, decoded and scaled to 256 at the shorter side for each use."""

    def __init__(self, folder: Path, mean: NDArray[np.float32], axes: NDArray[np.float32]) -> None:
        super().__init__(mean, axes)
        self.files = sorted(folder.rglob("*.jpg"))

    def __len__(self) -> int:
        return len(self.files)

    def image(self, index: int) -> NDArray[np.uint8]:
        with Image.open(self.files[index]) as opened:
            image = opened.convert("RGB")
        scale = SIZE / min(image.size)
        if scale != 1:
            size = (round(image.width * scale), round(image.height * scale))
            image = image.resize(size, Image.Resampling.BILINEAR)
        left, top = (image.width - SIZE) // 2, (image.height - SIZE) // 2
        return np.asarray(image.crop((left, top, left + SIZE, top + SIZE)))


class Mapped(_Augmented):
    """A uint8 memory map (N, 256, 256, 3)."""

    def __init__(self, file: Path, mean: NDArray[np.float32], axes: NDArray[np.float32]) -> None:
        super().__init__(mean, axes)
        self.pixels = np.memmap(file, np.uint8, "r").reshape(-1, SIZE, SIZE, 3)

    def __len__(self) -> int:
        return len(self.pixels)

    def image(self, index: int) -> NDArray[np.uint8]:
        return self.pixels[index]


class MappedBatches(Mapped):
    """The same, but a worker writes a whole batch to one tensor, without collation."""

    def __getitems__(self, indices: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        out = torch.empty((len(indices), 3, CROP, CROP))
        array = out.numpy()
        for place, index in enumerate(indices):
            self.write(index, array[place])
        return out, torch.tensor([self.label(index) for index in indices])


def batches(dataset: _Augmented, batch: int, workers: int) -> Iterator[torch.Tensor]:
    """The images of one epoch after another, without end."""
    whole = isinstance(dataset, MappedBatches)
    loader: DataLoader[tuple[torch.Tensor, torch.Tensor]] = DataLoader(
        dataset,
        batch_size=batch,
        shuffle=True,
        num_workers=workers,
        drop_last=True,
        persistent_workers=workers > 0,
        collate_fn=(lambda made: made) if whole else None,
    )
    while True:
        for images, _ in loader:
            yield images
