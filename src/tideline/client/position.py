"""Where a device is in its user's sync timeline, and what it knows beyond (section 6, rules 1 to 3)."""

from collections.abc import Iterable

from tideline.protocol.responses import Entry


class Position:
    """The cursor with its epoch, the stash, and the highest head seen.

    Law: the stash holds only numbers above ``cursor`` + 1, or, while entries are held, above ``cursor``.
    """

    def __init__(self, cursor: int | None, epoch: str | None, bound: int) -> None:
        self.cursor = cursor
        self.epoch = epoch
        self.known_head = 0
        self.stash: dict[int, Entry] = {}
        self._bound = bound

    @property
    def owed(self) -> bool:
        """Whether something is known to exist that is not applied."""
        return self.cursor is not None and self.known_head > self.cursor

    def see(self, head: int) -> None:
        """Remember that the timeline reaches up to ``head``."""
        self.known_head = max(self.known_head, head)

    def take(self, entries: Iterable[Entry], *, hold: bool = False) -> list[Entry]:
        """Sort entries by rules 1 to 3 and return those to apply now; ``cursor`` is moved over them.

        ``hold`` applies nothing: what could be applied stays in the stash.
        """
        assert self.cursor is not None
        taken: list[Entry] = []
        for entry in entries:
            self.see(entry.seq)
            if entry.seq <= self.cursor:
                continue  # Rule 1.
            self.stash[entry.seq] = entry
            if not hold:
                self._continue(taken)  # Rule 2.
            if len(self.stash) > self._bound:
                # Rule 3. The highest: the lowest are applied next. ``known_head`` still knows of it.
                del self.stash[max(self.stash)]
        if not hold:
            self._continue(taken)
        return taken

    def _continue(self, taken: list[Entry]) -> None:
        """Take from the stash what continues the cursor."""
        assert self.cursor is not None
        while (entry := self.stash.pop(self.cursor + 1, None)) is not None:
            taken.append(entry)
            self.cursor = entry.seq

    def forget(self) -> None:
        """Drop what a reset makes meaningless (rule 8)."""
        self.stash.clear()
        self.known_head = 0

    def move(self, cursor: int, epoch: str) -> None:
        """Stand where a snapshot ends."""
        self.cursor, self.epoch = cursor, epoch
        self.see(cursor)
