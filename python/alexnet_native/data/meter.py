"""Who waits for whom: the loader for room, or the training for a batch."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Meter"]


@dataclass(frozen=True)
class Meter:
    """What a loader did since its start, or between two looks at it (`later - earlier`).

    Attributes:
        elapsed: seconds.
        consumer_waited: seconds that the consumer waited for a batch.
        producer_waited: seconds that the loader had made all it may make ahead.
        images: made.
        taken: batches.
        ready: batches that were ready when one was asked for, summed over `taken`.
        prefetch: the most that can be ready.
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
        """What the loader gives while it has room: its own speed, whatever the consumer's."""
        busy = self.elapsed - self.producer_waited
        return self.images / busy if busy > 0 else 0.0

    @property
    def fullness(self) -> float:
        """0: no batch was ready when one was asked for; 1: as many as can be made ahead."""
        return min(1.0, self.ready / (self.taken * self.prefetch)) if self.taken else 0.0

    @property
    def bottleneck(self) -> str:
        """The side that the other one waited for longer: "loader" or "device"."""
        return "loader" if self.consumer_waited > self.producer_waited else "device"
