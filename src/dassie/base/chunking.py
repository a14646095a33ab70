"""Where a file's bytes are cut into chunks. Pure. For storage's writer and the client's upload.

Both sides of the wire must cut alike, or identical content would be stored twice; so the parameters
and the rule live here and nowhere else. Changing either changes the chunk names of all content
written from then on.
"""

from __future__ import annotations

from pyfastcdc import FastCDC

MIN_CHUNK_BYTES = 256 << 10
"""Content up to this size is one chunk and needs no cutting."""
AVERAGE_CHUNK_BYTES = 1 << 20
MAX_CHUNK_BYTES = 4 << 20


class Cutter:
    """Finds chunk boundaries in a stream seen through a window. One per stream; not thread-safe."""

    def __init__(self) -> None:
        self._cdc = FastCDC(
            avg_size=AVERAGE_CHUNK_BYTES, min_size=MIN_CHUNK_BYTES, max_size=MAX_CHUNK_BYTES
        )

    def cut(self, window: bytes | bytearray | memoryview, *, final: bool) -> list[int]:
        """Lengths of the chunks that start the window and whose end is certain.

        What is left over goes to the front of the next window. `final` says that the stream ends
        with the window; then the lengths cover all of it. A window of at least `MAX_CHUNK_BYTES`
        always yields a chunk.
        """
        lengths = [chunk.length for chunk in self._cdc.cut_buf(window)]
        # A cut found before the window's end depends on nothing behind it; one at the end may only
        # mean that the window was too short, unless the chunk has the greatest length allowed.
        if lengths and not final and lengths[-1] < MAX_CHUNK_BYTES:
            lengths.pop()
        return lengths
