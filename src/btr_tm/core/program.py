"""How every command of the package starts."""

from __future__ import annotations

import os
from importlib import import_module

from btr_tm.core.interrupts import INTERRUPTS


def start(module: str, hint: str = "") -> None:
    """Import `module`, which may take seconds, and call its `main`; signals are answered from the start.

    `hint` is what the program says when it is stopped, beside "stopped".
    """
    # Before torch is imported: waiting OpenMP threads that spin halve the speed of a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with INTERRUPTS.program(hint):
        import_module(module).main()
