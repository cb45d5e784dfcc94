"""`python -m btr_tm.import_yaml`: a published TrackMania YAML as an experiment of ours."""

from __future__ import annotations

import argparse
import re
import shlex
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from btr_tm.cli.commands import common as commands
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.cli.configuration.groups import conf_dir
from btr_tm.cli.importing.draft import Draft, Unmapped
from btr_tm.cli.importing.source import read
from btr_tm.cli.importing.text import LABEL, bases_of, files, heading
from btr_tm.cli.importing.translate import translate
from btr_tm.core.errors import UserError
from btr_tm.core.files import write_atomic

# While it is tried: a name that no earlier import has, whose files would be found first.
TRIED = "_imported_to_be_checked"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m btr_tm.import_yaml",
        description="Turn a configuration of the published TrackMania runs into an experiment of ours, and "
        "list every key that has no counterpart here.",
    )
    parser.add_argument("file", metavar="FILE", help="the published YAML")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="DIR/experiment/NAME.yaml (default: conf/experiment/ and the name of FILE); what belongs to "
        "other groups goes to DIR/preset/NAME.yaml, DIR/profile/NAME.yaml and so on",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace files of an earlier import")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Import; errors that a user can fix are one line on stderr."""
    commands.run(write, parser(), argv)


def write(arguments: argparse.Namespace) -> None:
    """Translate, try the result in a scratch folder, put it into place, list what was not translated."""
    source = Path(arguments.file)
    draft = translate(read(source))
    out = Path(arguments.out or Path("conf", "experiment", f"{_as_name(source.stem)}.yaml"))
    root, name = _place(out)
    commands.refuse_unwritable_folder(root)
    base = compose_job([f"{group}={choice}" for group, choice in bases_of(draft).items()]).values
    texts = files(draft, name, source.name, base)
    _refuse_taken(root, name, list(texts), arguments.overwrite)
    _check(files(draft, TRIED, source.name, base))
    for group, text in texts.items():
        (root / group).mkdir(parents=True, exist_ok=True)
        write_atomic(root / group / f"{name}.yaml", text.encode())
    print("\n".join(report(draft, root, name, list(texts))))


def report(draft: Draft, root: Path, name: str, groups: Sequence[str]) -> list[str]:
    """Lines for the terminal: what was written, every key that is not in it and why, what to type next."""
    written = [(root / group / f"{name}.yaml").as_posix() for group in groups]
    lines = [f"wrote {', '.join(written)}", heading(draft)]
    width = max((len(LABEL[key.kind]) for key in draft.unmapped), default=0)
    lines += [f"  {LABEL[key.kind]:{width}}  {key}" for key in sorted(draft.unmapped, key=_by_kind)]
    shipped = root.resolve() == conf_dir().resolve()
    where = "" if shipped else f"--config-dir {shlex.quote(root.as_posix())} "
    return [*lines, f"python -m btr_tm {where}+experiment={name}"]


def _by_kind(key: Unmapped) -> int:
    return list(LABEL).index(key.kind)


def _check(texts: Mapping[str, str]) -> None:
    """Raise UserError unless files of these groups, named TRIED, compose, and every value suits its class."""
    from btr_tm.cli.assembly.parts import checked

    with tempfile.TemporaryDirectory() as folder:
        for group, text in texts.items():
            path = Path(folder, group, f"{TRIED}.yaml")
            path.parent.mkdir(parents=True)
            path.write_text(text, encoding="utf-8")
        checked(compose_job([f"+experiment={TRIED}"], folder).values)


def _as_name(stem: str) -> str:
    return re.sub(r"\W+", "_", stem).strip("_") or "imported"


def _place(out: Path) -> tuple[Path, str]:
    if out.parent.name != "experiment" or out.suffix != ".yaml" or _as_name(out.stem) != out.stem:
        raise UserError(
            f"--out must read DIR/experiment/NAME.yaml, with a name of letters, digits and _, got {out}"
        )
    return out.parent.parent, out.stem


def _refuse_taken(root: Path, name: str, groups: Sequence[str], overwrite: bool) -> None:
    for group in groups:
        path, shipped = root / group / f"{name}.yaml", conf_dir() / group / f"{name}.yaml"
        if path.exists() and not overwrite:
            raise UserError(f"{path} exists; add --overwrite or change --out")
        if shipped.exists() and shipped.resolve() != path.resolve():
            raise UserError(f"{group}={name} is a choice which ships; change the name in --out")
