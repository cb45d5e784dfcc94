"""TensorBoard files: every metric under its own name and under those the published TrackMania runs use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from btr_tm.metrics.catalog import metric, published_tags
from btr_tm.metrics.meter import Row


def published(row: Row, track: str) -> Row:
    """The row's values under their published tags, in their units."""
    return {
        tag: metric(name).scale * value for name, value in row.items() for tag in published_tags(name, track)
    }


class TensorboardSink:
    """Writes each row at its number of frames."""

    def __init__(self, folder: str | Path, track: str, say: Callable[[str], None] = print) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.track = track
        self._writer = SummaryWriter(str(folder))
        say(f"tensorboard: tensorboard --logdir {folder}")

    def write(self, row: Row) -> None:
        for tag, value in (row | published(row, self.track)).items():
            self._writer.add_scalar(tag, value, int(row["frames"]))
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
