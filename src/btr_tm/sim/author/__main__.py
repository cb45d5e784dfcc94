"""`python -m btr_tm.sim.author a01` searches an author run, or improves the one that is stored."""

from btr_tm.core.program import start

if __name__ == "__main__":
    start("btr_tm.sim.author.run")
