"""Measures whether the loader waits for the training loop or the training loop for the loader."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Meter"]


@dataclass(frozen=True)
class Meter:
    """Counters of a loader since its start, or between two readings (`later - earlier`).

    Attributes:
        elapsed: seconds.
        consumer_waited: seconds that the training loop waited for a batch.
        producer_waited: seconds that the loader waited because all buffers were full.
        images: number of images made.
        taken: number of batches returned.
        ready: number of batches that were ready when one was requested, summed over `taken`.
        prefetch: maximum number of batches that can be ready.
    """

    elapsed: float
    consumer_waited: float
    producer_waited: float
    images: int
    taken: int
    ready: int
    prefetch: int

    def __sub__(self, earlier: Meter) -> Meter:
        return Meter(
            self.elapsed - earlier.elapsed,
            self.consumer_waited - earlier.consumer_waited,
            self.producer_waited - earlier.producer_waited,
            self.images - earlier.images,
            self.taken - earlier.taken,
            self.ready - earlier.ready,
            self.prefetch,
        )

    @property
    def images_per_second(self) -> float:
        """The loader's speed, excluding the time in which it waited for a free buffer."""
        busy = self.elapsed - self.producer_waited
        return self.images / busy if busy > 0 else 0.0

    @property
    def fullness(self) -> float:
        """The mean share of ready batches when one was requested: 0 = none, 1 = `prefetch`."""
        return min(1.0, self.ready / (self.taken * self.prefetch)) if self.taken else 0.0

    @property
    def bottleneck(self) -> str:
        """The slower side, "loader" or "device": the one that waited for less time."""
        return "loader" if self.consumer_waited > self.producer_waited else "device"
