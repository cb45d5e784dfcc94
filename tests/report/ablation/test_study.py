"""What the ablation report says of sweeps whose outcome is known, and of damaged ones."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from btr_tm.core.errors import UserError
from btr_tm.report.ablation import costs
from btr_tm.report.ablation.changes import changes
from btr_tm.report.ablation.effects import ADD, REMOVE, REMOVE_SEVERAL
from btr_tm.report.ablation.model import Cost, Study
from btr_tm.report.ablation.outcomes import late_slope
from btr_tm.report.ablation.study import analyse
from tests.report.ablation.sweeps import NODES, config_of, write_run, write_sweep

STUDY = {
    "base": 0.7,
    "no_noisy": 0.8,
    "no_impala": 0.6,
    "no_maxpool": 0.7,
    "iqn": 0.75,
    "iqn,plus_noisy": 0.65,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_sweep(tmp_path_factory.mktemp("sweep") / "study", STUDY)


@pytest.fixture(scope="module")
def study(folder) -> Study:
    return analyse(folder)


def effect(study: Study, arm: str, measure: str = "area"):
    return next(e for e in study.effects_of(measure) if e.arm == arm)


def text(study: Study) -> str:
    return "\n".join(study.notes)


def test_arms_are_compared_with_the_nearer_end(study):
    assert {arm.name: arm.reference for arm in study.arms} == {
        "base": "", "iqn": "base", "no_impala": "base", "no_maxpool": "base", "no_noisy": "base",
        "iqn,plus_noisy": "iqn",
    }  # fmt: skip
    families = {e.arm: e.family for e in study.effects}
    assert families["no_noisy"] == REMOVE and families["iqn,plus_noisy"] == ADD
    assert families["iqn"] == REMOVE_SEVERAL and effect(study, "iqn").label == "all six"


def test_names_decide_nothing_where_configurations_speak(tmp_path):
    for arm, ingredients in {"a": list(NODES), "b": [*NODES][1:], "c": [], "d": [*NODES][:1]}.items():
        for seed in range(2):
            write_run(tmp_path / arm / f"s{seed}", (0.1, 0.2), config=config_of(ingredients))
    study = analyse(tmp_path)
    assert {arm.name: arm.reference for arm in study.arms} == {"a": "", "c": "a", "b": "a", "d": "c"}
    assert effect(study, "b").label == effect(study, "d").label == "Munchausen"


def test_a_named_base_is_the_only_reference(folder):
    study = analyse(folder, base="no_noisy")
    assert {arm.reference for arm in study.arms} == {"", "no_noisy"}
    with pytest.raises(UserError, match="no arm 'nobody' with runs to compare; choose one of base, iqn"):
        analyse(folder, base="nobody")


def test_verdicts_are_on_the_ingredient_not_on_the_arm(study):
    assert effect(study, "no_noisy").difference.value == pytest.approx(0.0875), "areas are 7/8 of the heights"
    assert effect(study, "no_noisy").verdict == "hurts", "without it the arm is better"
    assert effect(study, "no_impala").verdict == "helps"
    assert effect(study, "no_maxpool").verdict == "no evidence yet"
    assert effect(study, "iqn,plus_noisy").verdict == "hurts"
    assert effect(study, "no_noisy").helps_by.value == pytest.approx(-0.0875)


def test_race_times_have_verdicts_of_their_own(study):
    noisy = effect(study, "no_noisy", "mean_time_s")
    assert noisy.difference.value == pytest.approx(-0.1) and noisy.gain == pytest.approx(-0.1)
    assert noisy.verdict == "hurts", "without it the arm is faster"
    assert effect(study, "no_impala", "mean_time_s").verdict == "helps"
    assert effect(study, "iqn,plus_noisy", "mean_time_s").verdict == "hurts", "with it the arm is slower"
    assert effect(study, "no_maxpool", "mean_time_s").verdict == "no evidence yet"
    assert effect(study, "no_noisy", "best_time_s").verdict == "", "other measures decide nothing"


def test_an_arm_with_a_run_that_comes_home_too_seldom_has_no_verdict_in_race_time(tmp_path):
    folder = write_sweep(tmp_path / "s", {"base": 0.7, "no_noisy": 0.1}, seeds=6)
    lost = folder / "no_noisy" / "s5"
    for path in lost.iterdir():
        path.unlink()
    lost.rmdir()
    write_run(lost, (0.1, 0.1, 0.1), config=config_of([*NODES][:5]))
    found = effect(analyse(folder), "no_noisy", "mean_time_s")
    assert found.held == (5, 6) and found.adjusted_p < 0.05 and found.difference.low > 0
    assert found.verdict == "no evidence yet" and math.isnan(found.seeds_needed)


def test_p_values_are_corrected_over_their_family(study):
    exact = 2 / math.comb(12, 6)
    assert effect(study, "no_noisy").p == pytest.approx(exact)
    assert effect(study, "no_noisy").adjusted_p == pytest.approx(3 * exact), "one of three removed"
    assert effect(study, "iqn,plus_noisy").adjusted_p == pytest.approx(exact), "the only one added"


def test_a_verdict_says_how_many_seeds_it_would_need(tmp_path):
    study = analyse(write_sweep(tmp_path / "s", {"base": 0.7, "no_noisy": 0.702}))
    found = effect(study, "no_noisy")
    assert found.verdict == "no evidence yet" and 20 < found.seeds_needed < 1000


def test_fewer_than_five_seeds_are_exploratory(tmp_path):
    study = analyse(write_sweep(tmp_path / "s", {"base": 0.7, "no_noisy": 0.1}, seeds=4))
    assert effect(study, "no_noisy").verdict == "exploratory"
    assert "A verdict needs 5 seeds in both arms, so everything here is exploratory." in text(study)


def test_one_seed_is_refused_an_interval(tmp_path):
    study = analyse(write_sweep(tmp_path / "s", {"base": 0.7, "no_noisy": 0.1}, seeds=1))
    found = effect(study, "no_noisy")
    assert math.isnan(found.p) and found.difference.low == -math.inf and found.verdict == "exploratory"
    assert "One seed says nothing about chance: no interval and no test for base, no_noisy." in text(study)


def test_seeds_that_never_finished_rank_last_and_are_counted(tmp_path):
    for arm, config, finishes in (("base", list(NODES), 5), ("no_noisy", [*NODES][:5], 1)):
        for seed in range(5):
            times = (None, 30.0 + seed / 10) if seed < finishes else ()
            write_run(tmp_path / arm / f"s{seed}", (0.5, 0.6), times, config_of(config))
    study = analyse(tmp_path)
    found = effect(study, "no_noisy", "best_time_s")
    assert found.held == (1, 5) and found.means[0] == 30.0
    assert found.improvement.value == pytest.approx((4 + 0.5) / 25), "not that of the one time of 30 s"
    assert found.p == pytest.approx(28 / 252), "of 10 ranks, four of them shared by those without a time"
    assert study.arm("no_noisy").summaries["best_time_s"][:2] == (1, 5)
    assert (
        "final canonical time, best canonical time, first finish: it never happened for no_noisy 4 of 5"
        in text(study)
    )


def test_equal_compute_gives_the_cheap_arm_more_updates(tmp_path):
    folder = write_sweep(tmp_path / "s", {"base": 0.7, "no_impala": 0.7})
    assert not analyse(folder).effects_of("compute_area")
    assert "Equal compute is missing, because the cost of an update was not measured" in text(analyse(folder))
    costs.write(folder, {}, {"base": Cost(100.0, 99.0, 101.0), "no_impala": Cost(50.0, 49.0, 51.0)})
    study = analyse(folder)
    # base is measured at 30, 60, 90 s, the cheap arm at 15, 30, 45: between 30 and 45 s it is at its top
    found = effect(study, "no_impala", "compute_area")
    assert found.means == pytest.approx((0.71, 0.71 * (0.5 + 0.75) / 2))
    assert effect(study, "no_impala").difference.value == 0 and found.verdict == "hurts"


def test_a_broken_costs_file_is_said_and_the_rest_is_made(tmp_path):
    folder = write_sweep(tmp_path / "s", {"base": 0.7, "no_impala": 0.7})
    (folder / "costs.json").write_text('{"arms": {"base": {"update_ms": "fast"}}}', encoding="utf-8")
    study = analyse(folder)
    assert "costs.json does not hold the cost of an update of each arm; measure it again." in study.notes
    assert study.effects


def test_what_cannot_be_used_is_left_out_with_a_sentence(tmp_path):
    folder = write_sweep(tmp_path / "s", {"base": 0.7, "no_noisy": 0.6}, seeds=5)
    whole = config_of(list(NODES))
    write_run(folder / "base" / "s5", (0.5, 0.6), config=whole, ended=False)
    (folder / "base" / "s5" / "status.json").write_text('{"state": "failed", "reason": "a\\nno space"}')
    write_run(folder / "base" / "s6", (0.5, 0.6), config=whole | {"track": {"name_or_path": "my/loop.yaml"}})
    write_run(folder / "base" / "s7", (0.5,), config=whole)
    write_run(folder / "base" / "s8", (0.5, 0.6), config=whole | {"gamma": 0.5})
    write_run(folder / "base" / "s9", (0.5, 0.6), config=whole)
    (folder / "base" / "s9" / "manifest.json").unlink()
    study = analyse(folder)
    assert [o.seed for o in study.arm("base").outcomes] == [0, 1, 2, 3, 4]
    assert study.notes[:6] == (
        "no_noisy lacks s5, s6, s7, s8, s9: other arms have them.",
        "base/s5 is left out: it has not ended (failed: no space); its record goes to 40k frames.",
        "base/s7 is left out: it has one value of eval/progress_mean, and a curve needs two points.",
        "base/s9 is left out: base/s9/manifest.json is missing.",
        "base/s6 is left out: driven on my/loop.yaml, the others on a01.",
        "base/s8 is left out: its configuration is not that of s0 (gamma: absent -> 0.5).",
    )
    assert effect(study, "no_noisy").verdict == "helps", "the rest is still made"


def test_runs_that_each_begin_with_that_of_their_own_seed_are_one_arm(tmp_path):
    for arm, height in (("base", 0.7), ("no_noisy", 0.6)):
        for seed in range(3):
            config = config_of(list(NODES) if arm == "base" else [n for n in NODES if n != "noisy"])
            begun = {"init_from": f"runs/bc/base/s{seed}"}
            write_run(tmp_path / "s" / arm / f"s{seed}", (0.5, height + seed / 100), config=config | begun)
    study = analyse(tmp_path / "s")
    assert [len(study.arm(arm).outcomes) for arm in ("base", "no_noisy")] == [3, 3]


def test_planned_runs_that_never_began_are_named(tmp_path):
    folder = write_sweep(tmp_path / "s", {"base": 0.7}, seeds=2)
    runs = [["base", "s0"], ["base", "s1"], ["no_noisy", "s0"]]
    (folder / "sweep.json").write_text(json.dumps({"runs": runs}), encoding="utf-8")
    assert "no_noisy lacks s0: the sweep has not begun them." in analyse(folder).notes


def test_a_folder_without_runs_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no runs; name the folder of a sweep"):
        analyse(tmp_path)
    write_run(tmp_path / "base" / "s0", (0.5, 0.6), ended=False)
    with pytest.raises(UserError, match=r"no run that can be used: base/s0 is left out: it has not ended"):
        analyse(tmp_path)


def test_other_changes_are_told_once():
    old, new = config_of([]), config_of([])
    for config, share in ((old, 0.02), (new, 0.1)):
        config |= {
            "convention": {"tau": share},
            "learner": {"sync": {"tau": share}},
            "profile": {"log_every": share},
        }
    new["head"]["shape"] = {"_target_": "btr_tm.nets.Wide", "k": 2}
    texts = [change.text for change in changes(old, new)]
    assert texts == ["convention.tau: 0.02 -> 0.1", "head.shape: absent -> Wide"]


def test_late_slope_is_that_of_the_last_third():
    frames = np.arange(1, 7) * 20_000.0
    heights = np.array([0.0, 0.9, 0.1, 0.2, 0.3, 0.4])
    assert late_slope(frames, heights, 120_000) == pytest.approx(0.05), "80k, 100k, 120k: 0.1 per 20,000"
    assert math.isnan(late_slope(frames, heights, 20_000))


def test_kept_records_are_named_after_their_experiment(tmp_path):
    folder = write_sweep(tmp_path / "a01" / "records", {"base": 0.7}, seeds=1)
    assert analyse(folder).title == "a01" and analyse(folder / ".." / "records").title == "a01"


def test_of_a_loss_less_is_better(tmp_path):
    write_sweep(tmp_path / "s", {"base": 0.7, "no_noisy": 0.8})
    for arm, level in (("base", 0.3), ("no_noisy", 0.2)):
        for seed in range(6):
            record = tmp_path / "s" / arm / f"s{seed}" / "record.jsonl"
            rows = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
            rows = [row | {"learner/loss": level + seed / 1000} for row in rows]
            record.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = effect(analyse(tmp_path / "s", metric="learner/loss"), "no_noisy")
    assert found.difference.value == pytest.approx(-0.1) and found.verdict == "hurts"


def test_the_configuration_that_most_runs_share_is_kept(tmp_path):
    for seed in range(5):
        config = config_of(list(NODES), lr=0.1 if seed == 0 else 0.2)
        write_run(tmp_path / "base" / f"s{seed}", (0.1, 0.2), config=config)
    study = analyse(tmp_path)
    assert [run.seed for run in study.arm("base").outcomes] == [1, 2, 3, 4]
    assert "base/s0 is left out: its configuration is not that of s1 (lr: 0.2 -> 0.1)." in study.notes


def test_runs_without_an_area_are_named(tmp_path):
    folder = write_sweep(tmp_path / "s", {"base": 0.7, "no_noisy": 0.8}, seeds=2)
    record = folder / "base" / "s1" / "record.jsonl"
    rows = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    rows[1]["eval/progress_mean"] = math.nan
    record.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert "No area for base/s1: eval/progress_mean is not a number in some rows" in text(analyse(folder))


def test_a_metric_that_no_run_has_is_one_short_sentence(folder):
    with pytest.raises(
        UserError, match=r"^no run in .* has eval/progres_mean; name another --metric, such as"
    ):
        analyse(folder, metric="eval/progres_mean")
