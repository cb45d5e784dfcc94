"""Mutation tests with mutmut: change one operator, number, word or argument of a package at a time; its own
tests must notice. Prints how many changes were killed, and those that were not.

    python tests/mutation/run.py [losses replay/buffer ...]

A name is a package or the start of a file's path in src/btr_tm. `equivalent.toml` lists the survivors that no
test can or should kill, with the reason. Needs fork; not part of CI.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import resource
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import libcst as cst
import mutmut.configuration
from mutmut import __main__ as tool
from mutmut.mutation import diff_apply, file_mutation
from mutmut.mutation.data import SourceFileMutationData
from mutmut.runners.harness import PytestRunner
from mutmut.state import state
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files

PACKAGES = ("targets", "losses", "nets", "replay", "agent", "race", "metrics")
EQUIVALENT = Path(__file__).parent / "equivalent.toml"
KILLED = {"killed", "timeout", "segfault"}
MEMORY = 8 * 2**30  # bytes of address space: a mutant may ask for any number of rows, and fails then


def main(names: list[str]) -> int:
    if len(names) != 1:  # mutmut keeps its state in globals: a process for each package
        codes = [subprocess.call([sys.executable, __file__, name]) for name in names or PACKAGES]
        return max(codes)
    (name,) = names
    shutil.rmtree("mutants", ignore_errors=True)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    mutate_decorated_functions()
    run_fast_tests_first()
    mutmut.configuration._config = replace(
        mutmut.configuration.config(),
        only_mutate=[f"src/btr_tm/{name}*"],
        pytest_add_cli_args_test_selection=[f"tests/{name.split('/')[0]}"],
    )
    run_quietly()
    return report(name)


def run_quietly() -> None:
    """mutmut says ten times a second how far it is, which suits a terminal only."""
    if sys.stdout.isatty():
        return tool._run([], max_children=1)
    said = sys.__stdout__ = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            tool._run([], max_children=1)
    except SystemExit:
        print(said.getvalue())
        raise


def mutate_decorated_functions() -> None:
    """mutmut leaves decorated functions alone. Half of what counts here is `torch.no_grad` or a property,
    whose bodies can be exchanged as those of any other function can, inside the decorator."""
    skip = file_mutation.MutationVisitor._skip_node_and_children
    arrange = file_mutation.function_trampoline_arrangement

    def harmless(function: cst.FunctionDef) -> bool:
        names = [cst.Module([]).code_for_node(part.decorator) for part in function.decorators]
        return bool(names) and set(names) <= {"property", "torch.no_grad()", "contextmanager"}

    def skip_unless_harmless(self, node):
        if isinstance(node, cst.FunctionDef) and harmless(node):
            node = node.with_changes(decorators=())
        return skip(self, node)

    def decorate_outside(function, mutants, class_name):
        if not harmless(function):
            return arrange(function, mutants, class_name)
        declared, nodes, assigned, names = arrange(function.with_changes(decorators=()), mutants, class_name)
        outer = [*function.decorators, *nodes[0].decorators]
        return declared, [nodes[0].with_changes(decorators=outer), *nodes[1:]], assigned, names

    file_mutation.MutationVisitor._skip_node_and_children = skip_unless_harmless
    file_mutation.function_trampoline_arrangement = decorate_outside


def run_fast_tests_first() -> None:
    """One failure is enough, and most mutants fail many tests."""
    arguments = PytestRunner._pytest_args_regular_run

    def in_order(self, tests):
        return arguments(self, sorted(tests, key=lambda test: state().duration_by_test.get(test, 0.0)))

    PytestRunner._pytest_args_regular_run = in_order


def report(name: str) -> int:
    """Print the figures of a package and its survivors; 1 if there are some."""
    known = tomllib.loads(EQUIVALENT.read_text(encoding="utf-8"))
    total = equivalent = 0
    survivors: list[str] = []
    for path in map(str, walk_mutatable_files()):
        data = SourceFileMutationData(path=path)
        data.load()
        total += len(data.exit_code_by_key)
        for mutant, code in data.exit_code_by_key.items():
            if (status := status_by_exit_code[code]) in KILLED:
                continue
            was, now = change(diff_apply.get_diff_for_mutant(mutant, path=path))
            file = path.removeprefix("src/btr_tm/")
            if is_equivalent(known, file, mutant, was, now):
                equivalent += 1
            else:
                survivors.append(f"{file} {mutant.rpartition('.')[2]} ({status})\n  - {was}\n  + {now}")
    print("", *survivors, sep="\n")
    killed = total - equivalent - len(survivors)
    print(f"{name}: {total} mutants, {killed} killed, {equivalent} equivalent, {len(survivors)} survived")
    return int(bool(survivors))


def change(diff: str) -> tuple[str, str]:
    """The lines that a mutant takes away and puts in their place, as one line each."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    return tuple(" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+")


def is_equivalent(known: dict, file: str, function: str, was: str, now: str) -> bool:
    """Whether an entry names this mutant, its function, or a part without which both texts are the same."""
    if any((one["file"], one["was"], one["now"]) == (file, was, now) for one in known["mutant"]):
        return True
    if any(one["file"] == file and one["function"] in function for one in known["function"]):
        return True
    kinds = [one["without"] for one in known["kind"] if file.startswith(one.get("file", ""))]
    return any(bare(was, without) == bare(now, without) for without in kinds)


def bare(text: str, without: str) -> str:
    """`text` without blanks, commas and what matches `without`."""
    return re.sub(r"[\s,]", "", re.sub(without, "", text))


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[2])
    os.environ["OMP_NUM_THREADS"] = "1"  # a forked process would wait for ever for the threads of its parent
    sys.exit(main(sys.argv[1:]))
