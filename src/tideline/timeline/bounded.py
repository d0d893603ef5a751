"""A mapping that remembers a bounded number of things and forgets the oldest first."""

from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Bounded(Generic[K, V]):
    """A cache of weighted values in order of insertion.

    Only what can be read again may be kept in it. Weights are whatever unit the bound is in.
    """

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self.weight = 0
        self.held = False
        """While this is set nothing is forgotten, because someone is changing values in place."""
        self.items: dict[K, V] = {}
        self._weights: dict[K, int] = {}

    def put(self, key: K, value: V, weight: int = 1) -> None:
        """Remember a value as the youngest; over the bound, forget the oldest ones."""
        self.drop(key)
        self.items[key] = value
        self._weights[key] = weight
        self.weight += weight
        if self.weight > self.bound and not self.held:
            self._shrink()

    def release(self) -> None:
        """Let go of what is held, and forget what is over the bound."""
        self.held = False
        self._shrink()

    def _shrink(self) -> None:
        """Forget the oldest eighth, once there is too much.

        One at a time would be quadratic: the first key of a dict is found by walking over all that were removed
        before it.
        """
        if self.weight <= self.bound:
            return
        for key in list(self.items)[:-1]:
            if self.weight <= self.bound - self.bound // 8:
                return
            self.drop(key)

    def weight_of(self, key: K) -> int:
        """Return what a value was said to weigh."""
        return self._weights[key]

    def drop(self, key: K) -> None:
        """Forget a value, if it is there."""
        if key in self.items:
            del self.items[key]
            self.weight -= self._weights.pop(key)

    def clear(self) -> None:
        """Forget everything."""
        self.items.clear()
        self._weights.clear()
        self.weight = 0
