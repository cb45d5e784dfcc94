"""python -m btr_tm.inputs: a race as text in another form."""

from btr_tm.core.program import start

if __name__ == "__main__":
    start("btr_tm.cli.commands.inputs")
