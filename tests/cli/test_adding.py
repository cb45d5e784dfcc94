"""docs/adding.md: an ingredient is one class and one YAML file; two that ship show it, and one made here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from btr_tm.cli.assembly.parts import Parts, checked
from btr_tm.cli.configuration.composition import compose_job, conf_dir
from btr_tm.core.floats import FloatLayout
from btr_tm.core.types import Obs
from btr_tm.nets.encoder import pool
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
    first, second = shown("yaml")
    assert first == (conf_dir() / "encoder/pool/average.yaml").read_text(encoding="utf-8")
    assert second == (conf_dir() / "head/shape/mean_expansion.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("choice", "kind"),
    [("encoder/pool=average", nn.AdaptiveAvgPool2d), ("head/shape=mean_expansion", "MeanExpansionHead")],
)
def test_both_candidates_are_reached_by_choice_alone(choice: str, kind) -> None:
    network = net("encoder=impala_sn_pool", "head=noisy_ln", choice)
    assert any(type(m) is kind or type(m).__name__ == kind for m in network.modules())
    assert values_of(network).shape == (2, 4, 12)


def test_a_new_ingredient_is_one_class_and_one_yaml_file(tmp_path: Path, monkeypatch) -> None:
    class TopLeft:
        """Builds a crop of the first size x size cells of the map."""

        def __init__(self, size: int = 1) -> None:
            self.size = size

        def __call__(self) -> nn.Module:
            return nn.ZeroPad2d((0, self.size - 5, 0, self.size - 5))  # 40 x 40 pixels become 5 x 5 cells

    TopLeft.__module__ = pool.__name__
    monkeypatch.setattr(pool, "TopLeft", TopLeft, raising=False)
    (tmp_path / "encoder" / "pool").mkdir(parents=True)
    (tmp_path / "encoder" / "pool" / "top_left.yaml").write_text(
        "_target_: btr_tm.nets.encoder.pool.TopLeft\nsize: 2\n"
    )
    network = net("encoder=impala", "encoder/pool=top_left", config_dir=tmp_path)
    channels = net("encoder=impala_gap").encoder.out_features
    assert network.encoder.out_features == channels * 2 * 2
    assert values_of(network).shape == (2, 4, 12)


def test_commands_and_files_on_the_page_exist() -> None:
    for command in re.findall(r"python -m btr_tm (?:-m )?(.+)", PAGE):
        words = [word.strip("'") for word in command.split()]
        compose_job([word.split(",")[0] for word in words])
    for path in re.findall(r"`((?:src|conf)/[\w/.]+\.(?:py|yaml))`", PAGE):
        assert (ROOT / path).is_file(), path
