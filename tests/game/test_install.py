"""Where the plugin goes, and what is said about what lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from btr_tm import __version__
from btr_tm.cli.commands.game import main
from btr_tm.core.errors import UserError
from btr_tm.game.folders import Machine, find_folders, game_folders, named_folders
from btr_tm.game.install import Copy, inspect, install
from btr_tm.game.plugin_file import NAME, plugin_bytes


def made(documents: Path) -> Path:
    (documents / "TMInterface" / "Plugins").mkdir(parents=True)
    return documents


def windows(home: Path, documents: Path | None = None, **environ: str) -> Machine:
    return Machine(True, home, environ, documents)


def test_the_folder_that_windows_names_comes_first_and_each_comes_once(tmp_path: Path) -> None:
    cloud, plain = made(tmp_path / "OneDrive" / "Documents"), made(tmp_path / "Documents")
    machine = windows(tmp_path, cloud, OneDrive=str(tmp_path / "OneDrive"))
    assert [folders.documents for folders in find_folders(machine)] == [cloud, plain]


def test_wine_prefixes_are_searched_for_every_user(tmp_path: Path) -> None:
    own = made(tmp_path / "prefix" / "drive_c" / "users" / "me" / "Documents")
    steam = tmp_path / ".steam/steam/steamapps/compatdata/11020/pfx/drive_c/users/steamuser"
    other = made(steam / "My Documents")
    (steam / "Documents").symlink_to(other, target_is_directory=True)  # as Wine does
    machine = Machine(False, tmp_path, {"WINEPREFIX": str(tmp_path / "prefix")})
    found = [folders.documents for folders in find_folders(machine)]
    assert found == [own, steam / "Documents"]


def test_any_of_the_folders_may_be_named(tmp_path: Path) -> None:
    documents = made(tmp_path / "prefix" / "drive_c" / "users" / "me" / "Documents")
    inside = documents / "TMInterface"
    for named in (documents, inside, inside / "Plugins", tmp_path / "prefix"):
        assert named_folders(named).documents == documents
    with pytest.raises(UserError, match="no TMInterface folder in"):
        named_folders(tmp_path)


def test_no_folder_is_one_sentence_that_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Documents.*--game-folder"):
        game_folders(windows(tmp_path))
    with pytest.raises(UserError, match="Wine prefixes below"):
        game_folders(Machine(False, tmp_path, {}))


def test_it_installs_and_then_has_nothing_to_do(tmp_path: Path, capsys) -> None:
    made(tmp_path)
    main(["install", "--game-folder", str(tmp_path)])
    path = tmp_path / "TMInterface" / "Plugins" / NAME
    assert path.read_bytes() == plugin_bytes()
    main(["install", "--game-folder", str(tmp_path)])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"installed BtrTm {__version__} as {path}") and "already" in said[1]
    assert [file.name for file in path.parent.iterdir()] == [NAME]


def test_an_outdated_copy_is_named_and_replaced(tmp_path: Path) -> None:
    folders = named_folders(made(tmp_path))
    path = folders.plugins / NAME
    path.write_bytes(plugin_bytes().replace(__version__.encode(), b"0.0.7"))
    assert inspect(folders)[1:3] == (Copy.OUTDATED, "0.0.7")
    (said,) = install(folders, replace=False)
    assert "instead of 0.0.7" in said and inspect(folders).copy is Copy.CURRENT


def test_a_changed_copy_is_kept(tmp_path: Path) -> None:
    folders = named_folders(made(tmp_path))
    path = folders.plugins / NAME
    path.write_bytes(plugin_bytes().replace(b"\n", b"\r\n"))
    assert inspect(folders).copy is Copy.CURRENT  # git does that
    mine = plugin_bytes() + b"// mine\n"
    for name in ("BtrTm.as.bak", "BtrTm.as.bak1"):
        path.write_bytes(mine)
        assert name in install(folders, replace=False)[0]
        assert (folders.plugins / name).read_bytes() == mine


def test_a_file_that_is_not_ours_stays_unless_told(tmp_path: Path) -> None:
    folders = named_folders(made(tmp_path))
    path = folders.plugins / NAME
    path.write_bytes(b"somebody's")
    with pytest.raises(UserError, match="is not our plugin.*--replace"):
        install(folders, replace=False)
    assert path.read_bytes() == b"somebody's"
    install(folders, replace=True)
    assert inspect(folders).copy is Copy.CURRENT
    assert (folders.plugins / "BtrTm.as.bak").read_bytes() == b"somebody's"


def test_a_second_copy_under_another_name_is_named(tmp_path: Path) -> None:
    folders = named_folders(made(tmp_path))
    (folders.plugins / "BtrTm (1).as").write_bytes(plugin_bytes())
    assert "BtrTm (1).as: delete it" in install(folders, replace=False)[-1]
