"""Statistics of metrics that arrive together, kept apart."""

from __future__ import annotations

import pytest
import torch

from btr_tm.metrics import section
from btr_tm.metrics.section import Section

CPU = torch.device("cpu")
NAMES = ("learner/grad_norm", "learner/loss")


def filled(*norms: float) -> Section:
    held = Section(NAMES, CPU)
    for norm in norms:
        held.add(torch.tensor([[norm], [0.0]]))
    return held


def test_each_metric_has_its_own_extremes_and_its_own_count_of_bad_samples():
    held = Section(NAMES, CPU)
    nan, inf = float("nan"), float("inf")
    held.add(torch.tensor([[1.0, nan, 3.0, inf, -inf], [8.0, -2.0, 7.0, 3.0, 4.0]]))
    assert held.min.tolist() == [1.0, -2.0] and held.max.tolist() == [3.0, 8.0]
    assert held.bad.tolist() == [3, 0] and held.count.tolist() == [2, 5]
    reduced = held.reduced()
    assert reduced["learner/grad_norm_max"] == 3.0
    assert reduced["learner/grad_norm"] == 2.0 and reduced["learner/loss"] == 4.0  # the means


def test_a_section_without_samples_says_nothing():
    assert not Section(["learner/learning_rate"], CPU).reduced()["learner/learning_rate"].isfinite()


def test_samples_are_kept_only_for_metrics_with_quantiles():
    assert set(Section(NAMES, CPU).kept) == {0}


def test_quantiles_are_of_the_newest_samples_before_and_after_a_restore(monkeypatch):
    monkeypatch.setattr(section, "KEPT", 3)
    held = filled(9.0, 9.0, 9.0, 1.0, 2.0, 3.0)
    assert held.reduced()["learner/grad_norm_median"] == 2.0
    restored = Section(NAMES, CPU)
    restored.load_state_dict(held.state_dict())
    assert restored.reduced()["learner/grad_norm_median"] == 2.0
    for norm, median in ((4.0, 3.0), (5.0, 4.0)):
        restored.add(torch.tensor([[norm], [0.0]]))
        assert restored.reduced()["learner/grad_norm_median"] == median


@pytest.mark.parametrize(("kind", "value"), [("q1", 2.0), ("median", 3.0), ("q3", 4.0), ("max", 5.0)])
def test_a_restored_section_has_the_quantiles_of_the_saved_one(kind, value):
    restored = Section(NAMES, CPU)
    restored.load_state_dict(filled(3.0, 1.0, 2.0, 5.0, 4.0).state_dict())
    assert restored.reduced()[f"learner/grad_norm_{kind}"] == value
