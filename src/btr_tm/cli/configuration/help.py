"""What `python -m btr_tm --help` prints; Hydra's own help reads every file again for every group."""

from __future__ import annotations

import textwrap

from btr_tm.cli.configuration.groups import DECIDES, choices

HEAD = """\
btr_tm: train Beyond-The-Rainbow agents that race in TrackMania

  python -m btr_tm +experiment=quickstart              train a car to finish A01
  python -m btr_tm +experiment=a01_best                a driver faster than the author, in minutes
  python -m btr_tm +experiment=quickstart seed=1 profile=smoke
  python -m btr_tm +experiment=a01_v4_btr target=ddqn  leave one ingredient out
  python -m btr_tm -m +experiment=quickstart +sweep=leave_one_out seed=0,1,2,3,4
  python -m btr_tm -m +experiment=quickstart '+ablation=none,no_noisy' seed=0,1,2
  python -m btr_tm -m +experiment=quickstart learner/noise=redraw_both,share_with_acting
  python -m btr_tm +experiment=quickstart --cfg job    show the configuration

Other commands, python -m btr_tm.NAME, each with --help:
  evaluate, watch, export     drive a driver again, film it, write it as one file
  compare, ablate, sweep      curves of runs, verdicts on ingredients, how a sweep stands
  dashboard                   the panels of a W&B project
  play, demos, inputs         drive yourself, record races to learn from, key presses as text
  map, draw_track             lines of maps and laps, the picture of a track
  sim.author                  the author's race of a track of your own
  doctor, game                check and start the real games
  import_yaml, bench          settings of Linesight, speed and memory of this machine

A run's folder is runs/<name>/<arm>/s<seed>; the same command typed again continues it.

Groups (group=choice; put + before experiment, ablation and sweep):
"""
TAIL = """
Every value of --cfg job can be set too, for example profile.cars=32 or learner.target_sync.tau=0.01.
--config-dir DIR adds a folder of your own choices, plugins=[my_module] the classes that they name.
python -m btr_tm --hydra-help lists Hydra's own flags."""
WIDTH = 110


def text(config_dir: str | None = None) -> str:
    """The whole help, with the choices in `config_dir` as well."""
    lines = []
    for group, names in choices(*([config_dir] if config_dir else [])).items():
        lines.append(f"  {group}: {DECIDES.get(group, 'a group of your own')}")
        lines += textwrap.wrap(
            ", ".join(names), WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6, break_on_hyphens=False
        )
    return "\n".join([HEAD, *lines, TAIL])
