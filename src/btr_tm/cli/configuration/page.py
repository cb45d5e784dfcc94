"""Writes the table of groups into docs/configuration.md: `python -m btr_tm.cli.configuration.page`."""

from __future__ import annotations

from btr_tm.cli.configuration.groups import DECIDES, choices, conf_dir

PAGE = conf_dir().parent / "docs" / "configuration.md"
BEGIN, END = "<!-- made by make docs -->\n", "<!-- end -->\n"


def table() -> str:
    """Each group, its choices and what it decides, in Markdown."""
    rows = [
        f"| `{group}` | {', '.join(f'`{name}`' for name in names)} | {DECIDES[group]} |"
        for group, names in choices().items()
    ]
    return "\n".join(["| group | choices | what it decides |", "|---|---|---|", *rows]) + "\n"


def page(text: str) -> str:
    """`text` of the page with the present table."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + table() + END + rest.split(END)[1]


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
