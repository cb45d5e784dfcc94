"""The cost of an update of each arm, measured in turns, and the report at equal compute that follows."""

from __future__ import annotations

import json

import pytest

from btr_tm.benchmarks.timing import Times
from btr_tm.cli.assembly.driver import LABELS
from btr_tm.cli.commands.ablate import main
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.cli.measuring import update_costs
from btr_tm.cli.measuring.update_costs import cost, measure
from btr_tm.core.errors import UserError
from btr_tm.report.ablation import costs
from btr_tm.run.manifest import plain
from tests.report.ablation.sweeps import write_run

SMALL = ("+experiment=quickstart", "name=x", "logger=none", "profile=smoke")


def config_of(ablation: str) -> dict:
    """What a manifest keeps of an arm."""
    values = compose_job([*SMALL, f"+ablation={ablation}"]).values
    return plain({key: value for key, value in values.items() if key not in LABELS} | {"logger": {}})


def test_each_arm_that_can_be_built_has_a_cost() -> None:
    broken = config_of("iqn") | {"target": {"_target_": "btr_tm.targets.Gone"}}
    said: list[str] = []
    machine, found = measure({"base": config_of("none"), "gone": broken}, (), said.append, rounds=2)
    assert machine["clock"] == "CPU" and list(found) == ["base"]
    assert 0 < found["base"].low <= found["base"].update_ms <= found["base"].high
    sentence = "the cost of gone is not known: this version cannot build it (target cannot be"
    assert any(line.startswith(sentence) for line in said)
    with pytest.raises(UserError, match="no update of this sweep can be timed"):
        measure({"gone": broken}, (), said.append, rounds=2)


def test_a_cost_is_the_median_and_the_quartiles() -> None:
    assert cost(Times(2, (0.2, 0.4, 0.6, 0.8, 9.0))) == pytest.approx((300.0, 200.0, 400.0))


def test_the_command_measures_and_compares_at_equal_compute(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(update_costs, "ROUNDS", 2)
    for arm, ablation in (("base", "none"), ("iqn", "iqn")):
        for seed in range(2):
            write_run(tmp_path / arm / f"s{seed}", (0.1, 0.4 + seed / 10, 0.9), config=config_of(ablation))
    main([str(tmp_path), "--costs"])
    assert "timing 2 x 2 updates of each arm" in capsys.readouterr().out
    assert costs.read(tmp_path).keys() == {"base", "iqn"}
    effects = json.loads((tmp_path / "ablation.json").read_text(encoding="utf-8"))["effects"]
    assert [e["arm"] for e in effects if e["measure"] == "compute_area"] == ["iqn"]
