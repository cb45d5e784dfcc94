"""TensorBoard files, with the core tags under the names the published TrackMania runs use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from btr_tm.metrics.meter import Row

# metric -> published tag; {track} is the track's name. Times are seconds, alltime_min milliseconds.
PUBLISHED: dict[str, str] = {
    "eval/canonical_time_s": "Race/eval_race_time_trained_{track}",
    "race/time_s": "Race/explo_race_time_finished_trained_{track}",
    "learner/loss": "Training/loss",
    "learner/learning_rate": "Training/learning_rate",
    "eval/q_mean": "RL/avg_Q_trained_{track}",
    "time/learning_share": "Performance/learner_percentage_training",
}
BEST_OF = ("race/best_time_s", "eval/best_time_s", "eval/best_canonical_time_s")


def published(row: Row, track: str) -> Row:
    """The row's values under their published tags."""
    return {tag.format(track=track): row[name] for name, tag in PUBLISHED.items() if name in row}


class TensorboardSink:
    """Writes every metric under its own name, and the core ones under the published names as well.

    `alltime_min_ms_<track>` is the best time of any race, with or without exploration, from a regular start.
    """

    def __init__(self, folder: str | Path, track: str, say: Callable[[str], None] = print) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.track = track
        self._best_s = float("inf")
        self._writer = SummaryWriter(str(folder))
        say(f"tensorboard: tensorboard --logdir {folder}")

    def write(self, row: Row) -> None:
        frames = int(row["frames"])
        self._best_s = min([self._best_s, *(row[name] for name in BEST_OF if name in row)])
        tags = {name: value for name, value in row.items() if name != "frames"} | published(row, self.track)
        if self._best_s < float("inf"):
            tags[f"alltime_min_ms_{self.track}"] = 1000.0 * self._best_s
        for tag, value in tags.items():
            self._writer.add_scalar(tag, value, frames)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
