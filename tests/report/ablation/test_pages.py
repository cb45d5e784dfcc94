"""The page, the figures and the pictures of the ablation report, and the command that writes them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from btr_tm.cli.commands.ablate import drawn, main
from btr_tm.metrics.stats import Interval
from btr_tm.report.ablation import costs, curves, figures_json, forest
from btr_tm.report.ablation.model import Cost
from btr_tm.report.ablation.study import analyse
from btr_tm.report.ablation.text import page
from btr_tm.report.ablation.words import answer, listed, seeds_text
from tests.report.ablation.sweeps import NODES, config_of, write_run, write_sweep

STUDY = {
    "base": 0.7,
    "no_noisy": 0.8,
    "no_impala": 0.6,
    "no_maxpool": 0.702,
    "iqn": 0.75,
    "iqn,plus_noisy": 0.65,
}
WRITTEN = ("ablation.json", "ablation.md", "curves.png", "forest.png", "forest_times.png", "report.html")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = write_sweep(tmp_path_factory.mktemp("sweep") / "study", STUDY, seeds=5)
    costs.write(made, {}, {arm: Cost(70.0 if "impala" in arm else 100.0, 69.0, 101.0) for arm in STUDY})
    return made


@pytest.fixture(scope="module")
def study(folder):
    return analyse(folder)


def row(text: str, start: str) -> list[str]:
    """The cells of the first line of a table that begins so."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {start} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_answer_names_every_ingredient_once_per_family(study):
    text = answer(study)
    assert text.startswith(
        "Judged by the mean of eval/progress_mean between 20k and 60k frames, over 5 seeds of each arm. "
        "Removed one at a time, "
    )
    # heights 0.1 apart, of whose areas the ramp to the first half takes an eighth
    assert "NoisyLinear hurts (+0.088 [+0.079, +0.096] without it, corrected p 0.024)" in text
    assert "IMPALA helps (-0.088 [-0.096, -0.079] without it, corrected p 0.024)" in text
    assert "no evidence yet for adaptive max-pool (about" in text
    assert "Added one at a time, NoisyLinear hurts" in text and "all six hurt (" in text
    assert "At equal compute 1 of 5 verdicts are others (IMPALA removed: hurts)." in text
    times = text.partition(
        "Judged by the mean time of the seeded starts at the end. Removed one at a time, "
    )[2]
    assert "NoisyLinear hurts (-0.10 [-0.11, -0.09] s without it, corrected p 0.024)" in times
    assert "IMPALA helps (+0.10 [+0.09, +0.11] s without it, corrected p 0.024)" in times


def test_the_page_has_a_verdict_per_ingredient_and_its_pictures(study):
    text = page(study, "forest.png", "curves.png")
    assert answer(study) in text and "![the effect of each ingredient](forest.png)" in text
    noisy = row(text, "NoisyLinear")
    assert noisy[1] == "hurts" and noisy[4] == "hurts"
    assert row(text, "IMPALA")[1] == "helps" and row(text, "IMPALA")[7] == "x 1.43"
    assert row(text, "adaptive max-pool")[1].startswith("no evidence yet (about ")
    assert "| Munchausen " not in text.split("## Removing")[0], "no arm says anything about it"


def test_without_race_times_nothing_is_said_of_them(tmp_path):
    for arm, config in {"base": list(NODES), "no_noisy": [*NODES][:5]}.items():
        for seed in range(2):
            write_run(tmp_path / arm / f"s{seed}", (0.1, 0.2), config=config_of(config))
    study = analyse(tmp_path)
    assert list(drawn(study)) == ["forest.png", "curves.png"] and "Judged by the mean time" not in answer(
        study
    )
    assert "mean time of the seeded starts at the end\n" not in page(study, *drawn(study))


def test_pages_name_no_folder_of_this_machine(study, folder):
    for text in (page(study, "f.png", "c.png"), figures_json.text(study)):
        assert str(folder.parent) not in text


def test_the_json_holds_what_never_happened_as_null(study):
    held = json.loads(figures_json.text(study))
    assert held["window_frames"] == [20_000, 60_000] and len(held["arms"]) == 6
    found = next(e for e in held["effects"] if e["arm"] == "no_noisy" and e["measure"] == "area")
    assert found["verdict"] == "hurts" and found["adjusted_p"] == pytest.approx(3 * 2 / 252, rel=1e-5)
    assert figures_json.plain({"a": (float("nan"), 1 / 3)}) == {"a": [None, 0.3333333]}
    assert figures_json.plain(Interval(1.0, -float("inf"), 2.0)) == {"value": 1.0, "low": None, "high": 2.0}


def test_words_for_seeds_and_lists():
    assert [seeds_text(n) for n in (float("nan"), 37.0, 5000.0, float("inf"))] == [
        "", "about 37 seeds", "more than 1,000 seeds", "more than 1,000 seeds",
    ]  # fmt: skip
    assert [listed(list(names)) for names in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]


def test_ingredients_are_ordered_from_hurting_to_helping(study):
    effects = study.effects_of("area", "removing one ingredient")
    assert forest.in_order(effects) == ["NoisyLinear", "adaptive max-pool", "IMPALA"]


def test_a_wild_interval_does_not_flatten_the_forest(study):
    effects = study.effects_of("area", "removing one ingredient")
    wild = effects[0]._replace(difference=effects[0].difference._replace(high=50.0))
    found = study._replace(effects=(wild, *effects[1:]))
    largest = max(abs(e.difference.value) for e in effects)
    assert forest.edge_of(found, [wild, *effects[1:]]) == pytest.approx(1.08 * 3 * largest)


def test_the_command_writes_the_same_bytes_again(tmp_path, capsys):
    folder = write_sweep(tmp_path / "s", {"base": 0.7, "no_noisy": 0.8}, seeds=2)
    main([str(folder), "--out", str(tmp_path / "a")])
    shown = capsys.readouterr().out
    assert "no_noisy against base" in shown and "Judged by" in shown
    assert shown.rstrip().endswith(f"next: python -m btr_tm.compare {folder.as_posix()}")
    main([str(folder), "--out", str(tmp_path / "b")])
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == list(WRITTEN)
    for name in WRITTEN:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_one_arm_of_one_seed_still_gets_its_page(tmp_path, capsys):
    folder = write_sweep(tmp_path / "s", {"base": 0.7}, seeds=1)
    main([str(folder)])
    assert "There is only one arm, so nothing can be compared." in capsys.readouterr().out
    written = {path.name for path in folder.glob("*.*")}
    assert written == {*WRITTEN} - {"forest_times.png"}, "there are no differences of race times"


def test_the_command_says_in_one_line_what_is_wrong(tmp_path):
    with pytest.raises(SystemExit, match=r"^btr_tm: .* holds no runs; name the folder of a sweep"):
        main([str(tmp_path / "nowhere")])


def test_curves_begin_a_new_line_for_each_family(study, tmp_path):
    assert curves.draw(study, tmp_path / "c.png").stat().st_size > 20_000
    assert [len(line) for line in curves.lines_of(study)] == [3, 1, 1]
