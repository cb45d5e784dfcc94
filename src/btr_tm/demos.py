"""python -m btr_tm.demos: races of others as demonstrations."""

from btr_tm.core.program import start

if __name__ == "__main__":
    start("btr_tm.cli.commands.demos")
