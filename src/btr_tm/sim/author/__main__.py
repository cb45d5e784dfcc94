"""`python -m btr_tm.sim.author a01` searches an author run, or improves the one that is stored."""

from btr_tm.sim.author.run import main

if __name__ == "__main__":
    main()
