"""A bounded queue between one producing thread and its consumer, with a meter."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Ring"]

T = TypeVar("T")


class Ring(Generic[T]):
    """Holds at most `size` items that were made ahead.

    The consumer receives every item made before an error, then the error, again at each call.
    After close() the producer stops and the consumer gets StopIteration.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._items: deque[T] = deque()
        self._error: BaseException | None = None
        self._closed = False
        self._changed = threading.Condition()
        self.consumer_waited = 0.0  # seconds
        self.producer_waited = 0.0

    def put(self, item: T) -> bool:
        """Adds an item, waiting for room; False when the ring is closed."""
        with self._changed:
            start = time.perf_counter()
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._size)
            self.producer_waited += time.perf_counter() - start
            if not self._closed:
                self._items.append(item)
                self._changed.notify_all()
            return not self._closed

    def fail(self, error: BaseException) -> None:
        """Hands the producer's error to the consumer, behind the items made before it."""
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def get(self) -> T:
        """Takes the next item, waiting for it."""
        with self._changed:
            start = time.perf_counter()
            self._changed.wait_for(lambda: self._closed or self._items or self._error)
            self.consumer_waited += time.perf_counter() - start
            if self._closed:
                raise StopIteration
            if self._items:
                item = self._items.popleft()
                self._changed.notify_all()
                return item
            assert self._error is not None
            raise self._error

    def close(self) -> None:
        """Drops what is left and wakes both sides."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()


def produce(ring: Ring[T], make: Callable[[], T]) -> None:
    """Body of the producing thread: makes items until the ring is closed or making one fails."""
    try:
        while ring.put(make()):
            pass
    except BaseException as error:
        ring.fail(error)
