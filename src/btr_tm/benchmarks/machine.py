"""Where and when figures were taken."""

from __future__ import annotations

import datetime
import os
import platform

import torch

import btr_tm
from btr_tm.benchmarks.timing import CPU
from btr_tm.run.manifest import commit, cpu_name


def machine(device: torch.device = CPU) -> dict[str, str | int | float]:
    """Names, counts and versions; `load` is the run queue of the last minute, nan where there is none."""
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return {
        "device": place,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": cpu_name(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "load": load(),
        "system": platform.platform(terse=True),
        "python": platform.python_version(),
        "torch": torch.__version__.split("+")[0],
        "btr_tm": btr_tm.__version__,
        "commit": commit(),
    }


def load() -> float:
    """More than 0 before a benchmark starts means that others compete; nan on Windows."""
    return round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else float("nan")
