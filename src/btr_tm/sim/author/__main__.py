"""`python -m btr_tm.sim.author a01` searches an author run, or improves the one that is stored."""

from btr_tm.core.interrupts import INTERRUPTS

if __name__ == "__main__":
    with INTERRUPTS.program():  # before anything is imported that takes a while
        from btr_tm.sim.author.run import main

        main()
