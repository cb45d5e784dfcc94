"""What happened to the collectors: faults, stale chunks, bytes, latency."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from btr_tm.core.types import StateDict


@dataclass
class Counts:
    """Totals of a run, kept over interruptions, and the latest measurements."""

    died: int = 0
    hung: int = 0
    damaged: int = 0
    stale: int = 0  # chunks dropped
    lost_races: int = 0  # by games that failed, while their workers went on
    chunks: int = 0
    bytes: int = 0
    staleness: float = 0.0  # weights versions behind, of the last chunk
    publish_ms: float = 0.0  # of the last version

    def fault(self, kind: str) -> None:
        """A collector was replaced because it was "hung" or "damaged"; anything else counts as died."""
        if kind == "hung":
            self.hung += 1
        elif kind == "damaged":
            self.damaged += 1
        else:
            self.died += 1

    def arrived(self, behind: int, size: int) -> None:
        """A chunk of `size` bytes, driven `behind` versions ago."""
        self.chunks, self.bytes, self.staleness = self.chunks + 1, self.bytes + size, float(behind)

    def published(self, seconds: float) -> None:
        """A version of weights was published."""
        self.publish_ms = 1000 * seconds

    def sample(self) -> dict[str, float]:
        """Values of the `collector` metrics."""
        return {
            "died": self.died, "hung": self.hung, "damaged": self.damaged, "stale": self.stale,
            "lost_races": self.lost_races,
            "staleness": self.staleness, "publish_ms": self.publish_ms,
        }  # fmt: skip

    def state_dict(self) -> StateDict:
        return asdict(self)

    def load_state_dict(self, state: StateDict) -> None:
        for name, value in asdict(self).items():
            setattr(self, name, type(value)(state[name]))
