"""What happened to the collectors: faults, stale chunks, bytes, latency."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass
class Counts:
    """Totals of a run, kept over interruptions, and the latest measurements."""

    died: int = 0
    hung: int = 0
    damaged: int = 0
    stale: int = 0  # chunks dropped
    chunks: int = 0
    bytes: int = 0
    staleness: float = 0.0  # weights versions behind, of the last chunk
    publish_ms: float = 0.0  # of the last version

    def fault(self, why: str) -> None:
        """A collector was replaced; a reason that is none of ours is a death."""
        name = why if why in ("hung", "damaged") else "died"
        setattr(self, name, getattr(self, name) + 1)

    def arrived(self, behind: int, size: int) -> None:
        """A chunk of `size` bytes, driven `behind` versions ago."""
        self.chunks, self.bytes, self.staleness = self.chunks + 1, self.bytes + size, float(behind)

    def published(self, seconds: float) -> None:
        """A version of weights went out."""
        self.publish_ms = 1000 * seconds

    def sample(self) -> dict[str, float]:
        """Values of the `collector` metrics."""
        return {
            "died": self.died, "hung": self.hung, "damaged": self.damaged, "stale": self.stale,
            "staleness": self.staleness, "publish_ms": self.publish_ms,
        }  # fmt: skip

    def state_dict(self) -> dict[str, float]:
        return asdict(self)

    def load_state_dict(self, state: dict[str, float]) -> None:
        for name in asdict(self):
            setattr(self, name, type(getattr(self, name))(state[name]))
