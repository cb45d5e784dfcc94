"""docs/adding.md: an ingredient is one class and one YAML file; two that ship show it, and one made here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import pytest
import torch
from torch import nn

from btr_tm.cli.assembly.driver import load_driver
from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.configuration import slots
from btr_tm.cli.configuration.composition import compose_job
from btr_tm.cli.configuration.groups import conf_dir
from btr_tm.core.errors import UserError
from btr_tm.core.floats import FloatLayout
from btr_tm.core.types import Obs
from btr_tm.nets.iqn import IQN

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "adding.md").read_text(encoding="utf-8")


def shown(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def net(*overrides: str, config_dir: Path | None = None) -> IQN:
    values = compose_job(["profile=smoke", *overrides], str(config_dir) if config_dir else None).values
    built = Parts(checked(values), torch.device("cpu"))

    class Env:
        image_shape, layout, actions, block = (1, *built.image_size), FloatLayout.full(), 12, ()

    return built.net(Env())


def values_of(network: IQN) -> torch.Tensor:
    image = torch.zeros(2, *(1, 40, 40), dtype=torch.uint8)
    return network(Obs(image, torch.zeros(2, FloatLayout.full().size)), torch.rand(2, 4))


def test_the_class_on_the_page_is_the_class_that_ships() -> None:
    (text,) = shown("python")
    assert text in (ROOT / "src/btr_tm/nets/encoder/pool.py").read_text(encoding="utf-8")


def test_the_files_on_the_page_are_the_files_that_ship() -> None:
    first, second, arm = shown("yaml")
    assert first == (conf_dir() / "encoder/pool/average.yaml").read_text(encoding="utf-8")
    assert second == (conf_dir() / "head/shape/mean_expansion.yaml").read_text(encoding="utf-8")
    assert dedent(arm) == (conf_dir() / "ablation/plus_gap.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("choice", "kind"),
    [("encoder/pool=average", nn.AdaptiveAvgPool2d), ("head/shape=mean_expansion", "MeanExpansionHead")],
)
def test_both_candidates_are_reached_by_choice_alone(choice: str, kind) -> None:
    network = net("encoder=impala_sn_pool", "head=noisy_ln", choice)
    assert any(type(m) is kind or type(m).__name__ == kind for m in network.modules())
    assert values_of(network).shape == (2, 4, 12)


MODULE = """
from torch import nn


class TopLeft:
    \"\"\"Builds a crop of the first size x size cells of the map.\"\"\"

    def __init__(self, size: int) -> None:
        self.size = size

    def __call__(self) -> nn.Module:
        return nn.ZeroPad2d((0, self.size - 5, 0, self.size - 5))  # 40 x 40 pixels become 5 x 5 cells


class IsAModule(nn.Module):
    def forward(self, x):
        return x


class BodyOfAnySize:
    def __call__(self, channels: int) -> nn.Module:
        return nn.Identity()


class BodyThatSays(BodyOfAnySize):
    def __init__(self) -> None:
        self.smallest_image = 40


class NeedsAnArgument:
    def __call__(self, channels: int) -> nn.Module:
        return nn.Identity()
"""


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder outside the package with a module and choices that name its classes."""
    (tmp_path / "my_pools.py").write_text(MODULE)
    (tmp_path / "mine" / "encoder" / "pool").mkdir(parents=True)
    for choice, text in (("top_left", "TopLeft\nsize: 2"), ("odd", "NeedsAnArgument")):
        path = tmp_path / "mine" / "encoder" / "pool" / f"{choice}.yaml"
        path.write_text(f"_target_: my_pools.{text}\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("my_pools", None)


def test_a_class_of_the_users_own_module_is_chosen_once_it_is_admitted(outside: Path) -> None:
    chosen = ("encoder=impala", "encoder/pool=top_left", "plugins=[my_pools]")
    network = net(*chosen, config_dir=outside / "mine")
    channels = net("encoder=impala_gap").encoder.out_features
    assert network.encoder.out_features == channels * 2 * 2
    assert values_of(network).shape == (2, 4, 12)


def test_a_class_that_nobody_admitted_is_refused_and_not_even_imported(outside: Path) -> None:
    with pytest.raises(UserError, match=r"encoder.pool cannot be 'my_pools.TopLeft'.* plugins="):
        net("encoder=impala", "encoder/pool=top_left", config_dir=outside / "mine")
    assert "my_pools" not in sys.modules


def test_a_class_that_does_not_fit_its_place_is_refused(outside: Path) -> None:
    with pytest.raises(UserError, match=r"my_pools.NeedsAnArgument needs __call__\(\)"):
        net("encoder=impala", "encoder/pool=odd", "plugins=[my_pools]", config_dir=outside / "mine")
    with pytest.raises(UserError, match="target: my_pools.TopLeft needs"):
        net("target._target_=my_pools.TopLeft", "plugins=[my_pools]")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["encoder.pool._target_=my_pools.IsAModule"],
            "must name what builds a module .*BuildPool.*IsAModule",
        ),
        (
            ["encoder.body._target_=my_pools.BodyOfAnySize"],
            "needs smallest_image, as in btr_tm.nets.builders",
        ),
        (["target._target_=my_pool.TopLeft"], r"plugins=\[module\] admits \(it admits my_pools now\)"),
        (["encoder.pool._target_=my_pools.Nowhere"], "cannot load 'my_pools.Nowhere'"),
    ],
)
def test_a_class_that_does_not_fit_is_one_sentence(outside: Path, words, sentence) -> None:
    with pytest.raises(UserError, match=sentence):
        net("encoder=impala", "encoder/pool=none", *words, "plugins=[my_pools]", config_dir=outside / "mine")


def test_what_a_class_gives_its_objects_counts(outside: Path) -> None:
    module = import_module("my_pools")
    slots.refuse_misfit(module.BodyThatSays, "encoder.body", "encoder.body", "my_pools.BodyThatSays")


def test_a_module_with_an_error_is_one_sentence(outside: Path) -> None:
    (outside / "my_broken.py").write_text("class", encoding="utf-8")
    with pytest.raises(UserError, match=r"cannot load 'my_broken.Pool' \(SyntaxError\("):
        net("encoder=impala", "encoder.pool._target_=my_broken.Pool", "plugins=[my_broken]")


def test_a_run_from_outside_of_the_checkout_trains_with_the_users_class(outside: Path) -> None:
    """The same through the command line, and its driver is loaded again only with the module named."""
    typed = ["encoder=impala", "encoder/pool=top_left", "plugins=[my_pools]", "profile=smoke", "logger=none"]
    run = [sys.executable, "-m", "btr_tm", "--config-dir", "mine", *typed, "profile.total_frames=512"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(run, cwd=outside, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (folder,) = {path.parent for path in (outside / "runs").rglob("manifest.json")}
    assert "plugins" not in json.loads((folder / "manifest.json").read_text())["config"]
    with pytest.raises(UserError, match="plugins="):
        load_driver(str(folder), "cpu")
    assert load_driver(str(folder), "cpu", plugins=["my_pools"]).frames == 512


def test_commands_and_files_on_the_page_exist() -> None:
    for command in re.findall(r"python -m btr_tm (?:-m )?((?!--config-dir).+)", PAGE):
        words = [word.strip("'") for word in command.split()]
        compose_job([word.split(",")[0] for word in words])
    for path in re.findall(r"`((?:src|conf)/[\w/.]+\.(?:py|yaml))`", PAGE):
        assert (ROOT / path).is_file(), path
