"""docs/conventions.md: one row for every convention, with the values that the presets really have."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from btr_tm.cli.configuration.composition import compose_job
from btr_tm.cli.configuration.groups import conf_dir

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conventions.md"
COLUMNS = ("btr_paper", "btr_code", "btr_seed", "default")


def rows() -> dict[str, list[str]]:
    """Cells of the four columns by option: a convention, or a group that some preset overrides."""
    found: dict[str, list[str]] = {}
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name = re.fullmatch(r"`([\w./]+)`", cells[1]) if len(cells) == 6 else None
        if name and (name[1].startswith("convention.") or name[1] in overridden()):
            assert name[1] not in found, f"two rows for {name[1]}"
            found[name[1]] = cells[2:]
    return found


@cache
def overridden() -> set[str]:
    """Groups of which presets choose."""
    files = [yaml.safe_load(path.read_text()) for path in (conf_dir() / "preset").glob("*.yaml")]
    lines = [line for file in files for line in file.get("defaults", []) if isinstance(line, dict)]
    return {key.removeprefix("override /") for line in lines for key in line}


def options(preset: str) -> dict[str, Any]:
    """What the preset says of every option."""
    job = compose_job([f"preset={preset}"])
    values = {f"convention.{key}": value for key, value in job.values["convention"].items()}
    return values | {group: job.choices[group] for group in overridden()}


def test_every_convention_and_every_group_of_a_preset_has_a_row() -> None:
    assert set(rows()) == set(options("default"))


@pytest.mark.parametrize(("column", "preset"), list(enumerate(COLUMNS)))
def test_the_page_says_what_the_preset_does(column: int, preset: str) -> None:
    values, default = options(preset), options("default")
    for name, cells in rows().items():
        shown = re.match(r"`([^`]*)`", cells[column])
        if shown is None:
            assert cells[column] == "–" and values[name] == default[name], name
        else:
            assert yaml.safe_load(shown[1]) == values[name], name


def test_options_that_are_groups_exist() -> None:
    named = re.findall(r"`(preset|schedule|profile|obs|env)=(\w+)`", PAGE.read_text(encoding="utf-8"))
    assert named
    for group, choice in named:
        assert (conf_dir() / group / f"{choice}.yaml").is_file(), f"{group}={choice}"


def test_commands_on_the_page_compose() -> None:
    from btr_tm.cli.assembly.parts import checked

    text = PAGE.read_text(encoding="utf-8").replace("\\\n", " ")
    commands = [line.split() for line in re.findall(r"^    python -m btr_tm (.+)", text, re.MULTILINE)]
    ours = [command for command in commands if "--config-dir" not in command]
    assert len(ours) >= 3
    for command in ours:
        checked(compose_job(command).values)
