"""Published configurations become experiments that compose, and no key is dropped without a word."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from btr_tm.cli.assembly.parts import checked
from btr_tm.cli.commands.import_yaml import main
from btr_tm.cli.configuration.composition import Composition, compose_job
from btr_tm.cli.importing.source import leaves_of, read
from btr_tm.cli.importing.translate import translate
from btr_tm.core.errors import UserError

SAMPLES = Path(__file__).parent / "published"


@pytest.fixture(scope="module")
def imported(tmp_path_factory) -> Path:
    """A folder of configurations with both samples in it."""
    folder = tmp_path_factory.mktemp("conf")
    for sample in SAMPLES.glob("*.yaml"):
        main([str(sample), "--out", str(folder / "experiment" / sample.name)])
    return folder


def job(folder: Path, *overrides: str) -> Composition:
    return compose_job(overrides, str(folder))


def left(content: dict[str, Any]) -> dict[str, str]:
    return {each.path: each.kind for each in translate(leaves_of(content, "x.yaml")).unmapped}


def test_what_is_known_of_a_published_run_is_the_experiment_that_ships(imported: Path) -> None:
    assert (
        job(imported, "+experiment=older").fingerprint
        == compose_job(["+experiment=a01_v4_2_btr"]).fingerprint
    )


def test_numbers_of_the_later_layout_arrive_where_they_count(imported: Path) -> None:
    values = checked(job(imported, "+experiment=later").values)
    convention, profile = values["convention"], values["profile"]
    assert (profile["image_width"], profile["image_height"], profile["float_hidden"]) == (56, 48, 96)
    assert (profile["head_hidden"], profile["cosines"], profile["taus"], profile["taus_act"]) == (
        150,
        32,
        4,
        16,
    )
    assert profile["batch_size"] == 640 and 640 % profile["micro_batch"] == 0
    assert profile["frames_per_update"] == 40  # 640 / 16 uses
    assert (convention["kappa"], convention["clip_norm"], convention["target_soft_every"]) == (0.01, 7, 3)
    assert values["learner"]["target_sync"]["tau"] == 0.05
    assert values["learner"]["reset"]["every_frames"] == 3_000_000
    assert values["learner"]["reset"]["last_share"] == 0.5
    assert values["learner"]["learning_rate"]["points"] == [[0, 0.002], [900000, 0.0001]]
    assert (
        values["schedule"]["gamma"]["speed"] == values["schedule"]["speed"] == 2
    )  # the later loader scales it
    assert values["env"]["action_offsets_ms"] == [0, 10, 20] and values["obs"]["previous_actions"] == 10
    assert values["replay"]["sampler"]["alpha"] == 0.3
    assert values["reward"]["per_ms"] == -0.002 and values["reward"]["speed_as_s"] == 0
    assert values["reward"]["bonuses"]["close_to_line"]["points"] == [[0, -0.01]]
    assert values["exploration"]["tau"] == 0.02


def test_cnn_keys_that_are_missing_come_from_btr_and_those_that_are_not_win(imported: Path) -> None:
    values = job(imported, "+experiment=later").values
    assert values["encoder"]["body"] == {"_target_": "btr_tm.nets.encoder.impala.ImpalaBody", "model_size": 1}
    assert values["encoder"]["norm"]["_target_"].endswith(".SpectralNorm")
    assert values["encoder"]["pool"]["_target_"].endswith(".NoPool")


def test_every_key_is_taken_over_or_listed_with_its_reason() -> None:
    for sample in SAMPLES.glob("*.yaml"):
        leaves, draft = read(sample), translate(read(sample))
        outside = {each.path for each in draft.unmapped}
        assert draft.mapped + len(outside & leaves.keys()) == len(leaves)
        assert all(each.reason for each in draft.unmapped)


def test_keys_without_a_counterpart_are_told_apart() -> None:
    draft = translate(read(SAMPLES / "later.yaml"))
    kinds = {each.path: each.kind for each in draft.unmapped}
    assert kinds == {
        "nn.training.warm_restarts": "unknown",
        "btr.noisy_schedule": "unknown",
        "map_cycle.entries[0].weight": "unknown",
        "nn.decoder.advantage.mlp.layers": "unsupported",
        "training.pretrain_bc_heads_path": "unsupported",
        "memory.prio_beta": "unsupported",
        "btr.noisy_sigma0": "unsupported",
        "map_cycle.entries": "unsupported",
        "btr.impala_model_size": "no effect",
        "ppo.clip_coef": "no effect",
        "performance.running_speed": "no effect",
    }


def test_numbers_of_ppo_arrive_where_they_count(imported: Path) -> None:
    values = checked(job(imported, "+experiment=tokens_ppo").values)
    learner, profile = values["learner"], values["profile"]
    assert learner["_target_"].endswith(".PpoBuilder") and values["net"]["_target_"].endswith(".ActorCritic")
    assert (learner["loss"]["clip"], learner["loss"]["value_clip"]) == (0.25, 0.3)
    assert (learner["loss"]["entropy_weight"], learner["loss"]["value_weight"]) == (0.01, 0.7)
    assert (learner["passes"]["epochs"], learner["passes"]["minibatches"]) == (5, 6)
    assert (learner["passes"]["trace"], learner["step"]["clip_norm"]) == (0.9, 0.4)
    assert profile["cars"] * values["replay"]["steps"] == 1024  # decisions of an update
    assert values["schedule"]["gamma"]["points"] == [[0, 0.98], [2000000, 0.99]]
    assert values["schedule"]["gamma"]["speed"] == values["schedule"]["speed"] == 2
    assert learner["learning_rate"]["points"] == [[0, 0.0007], [1000000, 0.0001]]
    assert values["optimizer"]["betas"] == [0.8, 0.999] and values["optimizer"]["eps"] == 0.001
    fusion = values["fusion"]
    assert (fusion["width"], fusion["heads"], fusion["layers"]) == (96, 6, 3)
    assert values["encoder"]["body"] == {"_target_": "btr_tm.nets.encoder.impala.ImpalaBody", "model_size": 1}
    assert values["reward"]["per_ms"] == -0.001 and profile["head_hidden"] == 256


def test_keys_of_ppo_without_a_counterpart_are_told_apart() -> None:
    draft = translate(read(SAMPLES / "tokens_ppo.yaml"))
    assert {each.path: each.kind for each in draft.unmapped} == {
        "nn.training.warm_restarts": "unknown",
        "ppo.anneal": "unknown",
        "ppo.ent_coef_schedule": "unsupported",
        "nn.encoder.float_token_layout": "unsupported",
        "nn.encoder.transformer.ff_mult": "unsupported",
        "nn.encoder.transformer.dropout": "unsupported",
        "ppo.gamma": "no effect",
        "environment.temporal_mini_race_duration_ms": "no effect",
        "nn.iqn.n": "no effect",
        "nn.training.use_ddqn": "no effect",
        "nn.training.clip_grad_norm": "no effect",
        "memory.prio_alpha": "no effect",
    }


def test_numbers_of_pretraining_arrive_where_they_count(imported: Path) -> None:
    values = checked(job(imported, "+experiment=simclr").values)
    objective = values["net"]["objective"]
    assert values["learner"]["_target_"].endswith(".PretrainingBuilder")
    assert objective["_target_"].endswith(".Contrast") and objective["temperature"] == 0.2
    assert objective["part"]["size"] == 32 and values["pixels"]["_target_"].endswith(".Unit")
    assert values["profile"]["batch_size"] == values["profile"]["micro_batch"] == 96
    assert values["learner"]["learning_rate"]["value"] == 0.002
    assert values["learner"]["step"]["clip_norm"] == 1e9  # not at all


def test_keys_of_pretraining_without_a_counterpart_are_told_apart() -> None:
    found = left(yaml.safe_load((SAMPLES / "simclr.yaml").read_text()))
    assert {path for path, kind in found.items() if kind != "no effect"} == {
        "rl_config_path",
        "n_stack",
        "warm_restarts",
    }
    assert found["warm_restarts"] == "unknown" and found["lightning.precision"] == "no effect"


@pytest.mark.parametrize(
    ("task", "objective"),
    [("ae", "reconstruction"), ("vae", "reconstruction"), ("simclr", "contrast")],
)
def test_every_task_of_pretraining_is_an_objective(task: str, objective: str, tmp_path: Path) -> None:
    (tmp_path / "theirs.yaml").write_text(f"task: {task}\nproj_dim: 32\n")
    main([str(tmp_path / "theirs.yaml"), "--out", str(tmp_path / "conf" / "experiment" / "mine.yaml")])
    values = checked(compose_job(["+experiment=mine"], str(tmp_path / "conf")).values)
    plain = compose_job(["+experiment=pretrain", f"net/objective={objective}"]).values
    assert values["net"]["objective"]["_target_"] == plain["net"]["objective"]["_target_"]
    assert left({"task": task}) == ({"task": "unsupported"} if task == "vae" else {})


def test_the_report_and_the_file_name_every_key_left_over(tmp_path: Path, capsys) -> None:
    out = tmp_path / "experiment" / "mine.yaml"
    main([str(SAMPLES / "later.yaml"), "--out", str(out)])
    shown, written = capsys.readouterr().out, out.read_text()
    for each in translate(read(SAMPLES / "later.yaml")).unmapped:
        assert each.path in shown and each.path in written
    assert shown.rstrip().endswith(f"python -m btr_tm --config-dir {tmp_path} +experiment=mine")


def test_an_imported_experiment_keeps_to_the_composition_rules(imported: Path) -> None:
    content = yaml.safe_load((imported / "experiment" / "older.yaml").read_text())
    assert set(content) == {"defaults", "name"}
    for change in (
        ["profile=smoke"],
        ["target=ddqn"],
        ["preset=default"],
        ["schedule=short"],
        ["encoder=cnn"],
    ):
        checked(job(imported, "+experiment=older", *change).values)
    small = job(imported, "+experiment=later", "profile=smoke").values
    smoke = compose_job(["profile=smoke"]).values
    assert small["net"]["values"]["cosines"] == smoke["net"]["values"]["cosines"]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"trainig": {}}, "unknown section 'trainig' in x.yaml; did you mean 'training'"),
        ({"training": [1]}, r"section 'training' of x.yaml must hold keys, got \[1\]"),
        (["training"], "x.yaml must hold sections with keys, got .'training'"),
        ({"nn": {"iqn": {}}, "neural_network": {"iqn_n": 8}}, "has both nn and neural_network"),
        ({"training": {"algorithm": "grpo"}}, "training.algorithm must be iqn or ppo, got 'grpo'"),
        ({"task": "bc"}, "task must be ae, vae, simclr, got 'bc'; other tasks cannot be imported"),
        ({"task": "ae", "image_normalization": "z"}, "cannot read image_normalization: 'z'"),
        ({"task": "ae", "batch_size": 0}, "batch_size must be 1 or larger, got 0"),
        (
            {"training": {"algorithm": "ppo"}, "ppo": {"rollout_steps_per_update": 0}},
            "ppo.rollout_steps_per_update must be 1 or larger, got 0",
        ),
        (
            {"training": {"algorithm": "ppo"}, "ppo": {"ent_coef_schedule": []}},
            "ppo.ent_coef_schedule must hold points",
        ),
        ({"training": {"batch_size": "many"}}, "cannot read training.batch_size: 'many'"),
        ({"btr": {"use_munchausen": "maybe"}}, "cannot read btr.use_munchausen: 'maybe'"),
        (
            {"memory": {"number_times_single_memory_is_used_before_discard": 0}},
            "before_discard must be larger than 0, got 0",
        ),
        ({"training": {"batch_size": 0}}, "training.batch_size must be 1 or larger, got 0"),
        (
            {"training": {"lr_schedule": [[100, 0.1]]}},
            "training.lr_schedule: the first point of a schedule must",
        ),
        ({"training": {"lr_schedule": 0.1}}, "cannot read training.lr_schedule: 0.1"),
        (
            {"memory": {"memory_size_schedule": [[5, [10, 5]]]}},
            "the first row of memory.memory_size_schedule must be at frame 0",
        ),
        ({"map_cycle": {"entries": [3]}}, "cannot read map_cycle.entries"),
    ],
)
def test_what_cannot_be_meant_is_one_sentence(content: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as caught:
        translate(leaves_of(content, "x.yaml"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("training: [", "their.yaml is no valid YAML"),
        ("training:\n  batch_size: 8\n  batch_size: 16\n", "key 'batch_size' stands twice, line 3"),
        ("environment:\n  rl_action_offsets_ms: [0, 20]\n", "offset"),
        (
            "environment:\n  n_prev_actions_in_inputs: few\n",
            "obs.previous_actions must be a whole number",
        ),
    ],
)
def test_what_does_not_work_leaves_one_sentence_and_no_file(
    tmp_path: Path, capsys, text: str, sentence: str
) -> None:
    source, folder = tmp_path / "their.yaml", tmp_path / "mine"
    source.write_text(text)
    with pytest.raises(SystemExit) as caught:
        main([str(source), "--out", str(folder / "experiment" / "mine.yaml")])
    with pytest.raises(UserError, match=sentence):
        raise UserError(str(caught.value))
    assert "\n" not in str(caught.value) and not folder.exists()


def test_files_that_exist_and_names_that_ship_are_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "experiment" / "mine.yaml"
    main([str(SAMPLES / "older.yaml"), "--out", str(out)])
    with pytest.raises(SystemExit, match="add --overwrite"):
        main([str(SAMPLES / "older.yaml"), "--out", str(out)])
    main([str(SAMPLES / "older.yaml"), "--out", str(out), "--overwrite"])
    for name in ("experiment/full.yaml", "experiment/a01_v2.yaml"):
        with pytest.raises(SystemExit, match="which ships"):
            main([str(SAMPLES / "older.yaml"), "--out", str(tmp_path / name)])
    for name in ("mine.yaml", "experiment/my run.yaml"):
        with pytest.raises(SystemExit, match="--out must read DIR/experiment/NAME.yaml"):
            main([str(SAMPLES / "older.yaml"), "--out", str(tmp_path / name)])


def test_the_published_tables_of_actions_and_line_points_are_recognised() -> None:
    from btr_tm.core.floats import FloatLayout
    from btr_tm.race.actions import KEYS, TABLE

    layout = FloatLayout.full()
    actions = [dict(zip(KEYS, row, strict=True)) for row in TABLE.bool().tolist()]
    statistics = {
        "waypoint_mean_40cp": list(layout.mean[layout["line_points"]]),
        "waypoint_std_40cp": list(layout.std[layout["line_points"]]),
    }
    assert left({"inputs": {"actions": actions}, "state_normalization": statistics}) == {}
    statistics["waypoint_std_40cp"] = [1.0] * 120
    assert left({"inputs": {"actions": actions[::-1]}, "state_normalization": statistics}) == {
        "inputs.actions": "unsupported",
        "state_normalization.waypoint_std_40cp": "unsupported",
    }


@pytest.mark.parametrize(
    ("mode", "chosen", "left"),
    [
        ("none", {}, []),
        ("post_concat", {"net": "shared"}, []),
        ("unified", {"net": "shared", "fusion": "transformer"}, []),
        ("vision_transformer", {}, ["nn.fusion_mode"]),
        ([1], {}, ["nn.fusion_mode"]),
    ],
)
def test_modes_of_fusion_are_choices_here(mode: Any, chosen: dict[str, str], left: list[str]) -> None:
    draft = translate(leaves_of({"nn": {"fusion_mode": mode}}, "x.yaml"))
    found = {group: draft.choices[group] for group in ("net", "fusion") if group in draft.choices}
    assert found == chosen and [each.path for each in draft.unmapped] == left


def test_empty_sections_are_nothing() -> None:
    assert left({"ppo": None, "btr": {}, "training": {"pretrain_encoder_path": None}}) == {}


BOMB = "nn: &a {a: 1, b: 2, c: 3, d: 4, e: 5, f: 6, g: 7, h: 8}\n" + "".join(
    f"{section}: &{section} {{{', '.join(f'k{number}: *{before}' for number in range(8))}}}\n"
    for before, section in zip(
        ("a", "training", "memory", "exploration", "rewards", "btr"),
        ("training", "memory", "exploration", "rewards", "btr", "performance"),
        strict=True,
    )
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("training:\n  run_name: поезд".encode("cp1251"), r"no text in UTF-8 \(line 2\); .*save it as UTF-8"),
        (BOMB.encode(), "no valid YAML: it holds more than 100,000 values"),
        (
            "\n".join(["training:", *(f"  key{number}: 1" for number in range(60_000))]).encode(),
            "more than 100,000 values at line",
        ),
        (
            "\n".join(["training:", *(f"  key{number}: 1" for number in range(1001))]).encode(),
            "has 1,001 keys, and a published configuration has at most 1,000",
        ),
        (b"memory: {number_times_single_memory_is_used_before_discard: .nan}", "must be larger than 0"),
        (b"y" * 500 + b": 1", r"unknown section 'y+\.\.\.'"),
        (b"- training", "must hold sections with keys, got .'training'"),
    ],
)
def test_files_that_are_not_meant_well_are_refused_in_a_short_sentence(text, sentence, tmp_path) -> None:
    (tmp_path / "theirs.yaml").write_bytes(text)
    began = time.process_time()
    with pytest.raises(UserError, match=sentence) as raised:
        translate(read(tmp_path / "theirs.yaml"))
    assert time.process_time() - began < 2
    assert len(str(raised.value)) < 400 and "\n" not in str(raised.value)
