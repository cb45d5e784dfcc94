"""TensorBoard files: every metric under its own name and under those the published TrackMania runs use."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from btr_tm.metrics.catalog import metric, published_tags
from btr_tm.metrics.meter import Row

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def published(row: Row, track: str) -> Row:
    """The row's values under their published tags, in their units."""
    return {
        tag: metric(name).scale * value for name, value in row.items() for tag in published_tags(name, track)
    }


class TensorboardSink:
    """Writes each row at its number of frames.

    Files are only ever added: the first event of each tells TensorBoard from which step on what earlier files
    hold counts no longer. If the disk is full, that is said, and the row is written with the next one.
    """

    def __init__(self, folder: str | Path, track: str, say: Callable[[str], None] = print) -> None:
        self.folder, self.track, self.say = Path(folder), track, say
        self._writer: SummaryWriter | None = None
        self._from_step = 0  # where the next file begins
        self._waiting: list[Row] = []

    def resume(self, rows: Sequence[Row]) -> None:
        if any(self.folder.glob("events.out.tfevents.*")):
            self._from_step = int(rows[-1]["frames"]) if rows else 0
            self._waiting = [
                row for row in rows if row["frames"] == self._from_step
            ]  # of which some may stay
        else:
            self._waiting = list(rows)  # this logger was not chosen before
        self.say(f"tensorboard: tensorboard --logdir {self.folder}")

    def write(self, row: Row) -> None:
        self._waiting.append(row)
        try:
            self._writer = self._writer or self._begin()
            for waiting in self._waiting:
                for tag, value in (waiting | published(waiting, self.track)).items():
                    self._writer.add_scalar(tag, value, int(waiting["frames"]))
            self._writer.flush()
        except OSError as error:
            self.say(
                f"could not write to {self.folder} ({error}); training goes on, the row is kept for later"
            )
            self._from_step = int(self._waiting[0]["frames"])
            self.close()  # the file may end in half an event, after which nothing would be read
        else:
            self._waiting = []

    def _begin(self) -> SummaryWriter:
        from torch.utils.tensorboard import SummaryWriter

        while any(self.folder.glob(f"events.out.tfevents.{int(time.time()):010d}.*")):
            time.sleep(0.05)  # files are read in the order of the seconds in their names
        return SummaryWriter(str(self.folder), purge_step=self._from_step)

    def show(self, files: Mapping[str, Path]) -> None:
        """Nothing: TensorBoard shows no films, and the files lie beside its own."""

    def close(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(OSError):  # said already, by the write that failed
                writer.close()
