"""The parameters of dispatches: one uniform buffer, in which equal parameters share a place."""

from typing import Any

__all__ = ["WINDOW", "Arena"]

WINDOW = 512
"""Bytes that a shader sees as its parameters, from its place on: the most that they may be."""
_ALIGN = 256
_BYTES = 1 << 20


class Arena:
    """Places for parameters, in a buffer that the device sees at the next submission.

    What is written into the buffer lands before the commands that are open, so a place is given once only
    until `reset`, which needs those commands to be submitted.
    """

    __slots__ = ("_cursor", "_queue", "_shadow", "_written", "places", "raw")

    def __init__(self, device: Any, flags: Any) -> None:
        """An empty arena on `device`."""
        self._queue = device.queue
        usage = flags.UNIFORM | flags.COPY_DST | flags.COPY_SRC
        self.raw = device.create_buffer(size=_BYTES + WINDOW, usage=usage)
        self._shadow = bytearray(_BYTES)
        self.places: dict[bytes, int] = {}
        self._cursor = self._written = 0

    def place(self, words: bytes) -> int | None:
        """The byte at which `words`, which have no place yet, will lie; None if the arena is full."""
        place = self._cursor
        end = place + len(words)
        if end > _BYTES:
            return None
        self._shadow[place:end] = words
        self._cursor = -(-end // _ALIGN) * _ALIGN
        self.places[words] = place
        return place

    def reset(self) -> None:
        """Take all places back."""
        self.places.clear()
        self._cursor = self._written = 0

    def send(self) -> None:
        """Write new parameters to the device."""
        if self._cursor > self._written:
            self._queue.write_buffer(
                self.raw, self._written, memoryview(self._shadow)[self._written : self._cursor]
            )
            self._written = self._cursor
