"""How punctual decisions are, and how old what they are made of."""

from __future__ import annotations

from collections import deque

import numpy as np

KEPT = 10_000  # decisions, the latest
NAMES = ("late", "picture", "telemetry's age")


class Timing:
    """Of the decisions so far, in milliseconds."""

    def __init__(self) -> None:
        self._rows: deque[tuple[float, float, float]] = deque(maxlen=KEPT)
        self.decisions = self.missed = 0

    def add(self, late_ms: float, picture_ms: float, age_ms: float, missed: bool) -> None:
        """Of one decision: after its plan, how long its picture took, how old the telemetry was."""
        self._rows.append((late_ms, picture_ms, age_ms))
        self.decisions += 1
        self.missed += missed

    def quantile(self, share: float) -> dict[str, float]:
        """By name, what that share of decisions does not exceed; nothing before the first."""
        if not self._rows:
            return {}
        values = np.quantile(np.array(self._rows), share, axis=0)
        return dict(zip(NAMES, values.tolist(), strict=True))

    def __str__(self) -> str:
        middle, high = self.quantile(0.5), self.quantile(0.99)
        parts = [f"{name} {middle[name]:.1f} ms (99 %: {high[name]:.1f})" for name in middle]
        return f"{self.decisions:,} decisions, {self.missed:,} missed: {', '.join(parts)}"
