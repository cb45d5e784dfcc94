"""The telemetry plugin for Openplanet against the schema. Nothing here can run it: its text is read."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from btr_tm import __version__
from btr_tm.cli.commands import game
from btr_tm.envs.desktop.telemetry.schemas import BTR, MAGIC
from btr_tm.game.openplanet_plugin import FILES, plugin_bytes

SOURCE = plugin_bytes("main.as").decode("ascii")
FORMS = {"g_sequence": "I", "int": "i", "float": "f"}
LENGTHS = {"WriteVector": "fff", "WriteMap": "32s", "WriteMagic": "4s"}


def test_it_writes_what_the_schema_says_in_that_order() -> None:
    body = SOURCE.split("MemoryBuffer@ record = MemoryBuffer();")[1].split("record.Seek(0)")[0]
    forms, names = "", ["magic"]
    for line in body.strip().splitlines():
        called = re.match(r"\s*(?:record\.Write\((g_sequence|int|float)\b|(Write\w+)\()", line)
        assert called, line
        forms += FORMS[called[1]] if called[1] else LENGTHS[called[2]]
        names += re.findall(r"// (\w+)", line)
    assert forms == "".join(
        column.form if column.form.endswith("s") else column.form * column.numbers for column in BTR.columns
    )
    assert names == [column.name for column in BTR.columns]
    assert bytes(int(byte) for byte in re.findall(r"uint8\((\d+)\)", SOURCE)) == MAGIC
    assert f"{BTR.row.size} bytes" in SOURCE and "const uint MAP_BYTES = 32;" in SOURCE


def test_it_says_its_version_and_that_it_has_not_run() -> None:
    assert tomllib.loads(plugin_bytes("info.toml").decode())["meta"]["version"] == __version__
    assert f'PLUGIN_VERSION = "{__version__}"' in SOURCE
    assert all(b"Not run in the real game yet" in plugin_bytes(name) for name in FILES)


def test_its_braces_have_partners() -> None:
    code = re.sub(r"//[^\n]*", "", re.sub(r'"[^"\n]*"', '""', SOURCE))
    assert all(code.count(left) == code.count(right) for left, right in ("()", "{}", "[]"))


def test_it_is_copied_to_where_openplanet_looks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="start the game once with Openplanet"):
        game.main(["telemetry", "--openplanet", str(tmp_path / "none")])
    game.main(["telemetry", "--openplanet", str(tmp_path)])
    folder = tmp_path / "Plugins" / "BtrTelemetry"
    assert {path.name for path in folder.iterdir()} == set(FILES)
    assert (folder / "main.as").read_bytes() == plugin_bytes("main.as")
    assert "signature mode to Developer" in capsys.readouterr().out
