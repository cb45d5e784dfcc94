"""Which way to run is chosen, by device and by what is installed."""

from __future__ import annotations

import warnings

import pytest
import torch

from btr_tm.envs import execution
from btr_tm.envs.execution import within_reach

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture
def installed(monkeypatch):
    """Says what is there: names of programs and modules."""
    monkeypatch.delenv("CC", raising=False)

    def choose(*names: str) -> None:
        monkeypatch.setattr(execution.shutil, "which", lambda name: name if name in names else None)
        monkeypatch.setattr(execution, "find_spec", lambda name: object() if name in names else None)

    return choose


@pytest.mark.parametrize(
    ("wanted", "device", "chosen"),
    [
        ("auto", CPU, "kernel"),
        ("auto", GPU, "compiled"),
        ("kernel", CPU, "kernel"),
        ("kernel", GPU, "eager"),
        ("compiled", CPU, "compiled"),
        ("compiled", GPU, "compiled"),
        ("eager", CPU, "eager"),
        ("eager", GPU, "eager"),
    ],
)
def test_the_device_decides_what_is_wanted(wanted, device, chosen, installed) -> None:
    installed("triton", "cc", "c++")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert within_reach(wanted, device) == chosen


@pytest.mark.parametrize(
    ("wanted", "device", "there", "chosen", "missing"),
    [
        ("auto", GPU, ("gcc",), "eager", "Triton"),
        ("auto", GPU, ("triton",), "eager", "C compiler"),
        ("compiled", CPU, ("triton", "gcc"), "kernel", r"C\+\+ compiler"),
    ],
)
def test_what_cannot_be_compiled_runs_in_another_way(
    wanted, device, there, chosen, missing, installed
) -> None:
    installed(*there)
    with pytest.warns(UserWarning, match=f"no {missing} found"):
        assert within_reach(wanted, device) == chosen
