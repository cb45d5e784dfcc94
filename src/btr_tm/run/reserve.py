"""Room on the disk that a run keeps for its last checkpoint."""

from __future__ import annotations

import os
from pathlib import Path

PIECE = 2**20


class Reserve:
    """A file of zeros at `path`. What others write meanwhile cannot take its room; released, it is free."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def hold(self, size: int) -> None:
        """Grow to `size` bytes; raises OSError, holding what there was room for."""
        with self.path.open("ab") as file:
            while (missing := size - file.tell()) > 0:
                file.write(bytes(min(missing, PIECE)))
            file.flush()
            os.fsync(file.fileno())

    def release(self) -> None:
        """Give the room back."""
        self.path.unlink(missing_ok=True)
