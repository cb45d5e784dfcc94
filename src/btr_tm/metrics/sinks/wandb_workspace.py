"""The workspace of Weights & Biases: panels of the catalogue, runs grouped by arm."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from btr_tm.core.errors import UserError
from btr_tm.core.types import JsonObject
from btr_tm.metrics.catalog import metric
from btr_tm.metrics.panels import SECTIONS, Section
from btr_tm.metrics.sinks.wandb import one_line

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2 import LinePlot
    from wandb_workspaces.workspaces import Section as Shown
    from wandb_workspaces.workspaces import Workspace

MOST_RUNS = 100  # that W&B draws; beyond that its means leave runs out


def workspace(entity: str, project: str, sweep: str) -> Workspace:
    """One of its own for the runs of `sweep`, or of all where that is empty; UserError without the extra.

    A line is the mean of an arm's runs in one sweep, the band from the lowest to the highest of them. W&B
    draws means over the runs that it shows; btr_tm.compare and btr_tm.ablate make the figures to cite.
    """
    try:
        from wandb_workspaces import workspaces as ws
    except ImportError as error:
        raise UserError("the dashboard needs wandb-workspaces: pip install 'btr-tm[dashboard]'") from error
    # `sweep` alone would be W&B's own sweeps, which ours are not.
    filters = [ws.Config("sweep.value") == sweep] if sweep else []
    sweeps = [] if sweep else [ws.Config("sweep.value")]
    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"btr_tm {sweep}".strip(),
        sections=[_results(), *(_section(section) for section in SECTIONS)],
        settings=ws.WorkspaceSettings(x_axis="frames", max_runs=MOST_RUNS),
        runset_settings=ws.RunsetSettings(groupby=[*sweeps, ws.Config("arm")], filters=filters),
    )


def _results() -> Shown:
    """Best times, and what the cars looked like."""
    from wandb_workspaces.reports import v2 as wr
    from wandb_workspaces.workspaces import Section as Shown

    times = wr.BarPlot(title="best canonical race (s)", metrics=["best_time_s"])
    races = wr.MediaBrowser(title="best races", media_keys=["media/film", "media/race_line"])
    return Shown(name="Results", panels=[times, races], is_open=True)


def _section(section: Section) -> Shown:
    from wandb_workspaces.workspaces import Section as Shown

    return Shown(
        name=section.title,
        panels=[_panel(name) for name in section.names],
        is_open=section is SECTIONS[0],
    )


def _panel(name: str) -> LinePlot:
    from wandb_workspaces.reports.v2 import LinePlot

    shown = metric(name)
    return LinePlot(
        title=f"{shown.stem.rstrip('.')}: {shown.meaning}",
        x="frames",
        y=[] if shown.family else [name],
        metric_regex=re.escape(shown.stem) + ".*" if shown.family else None,
        title_y="" if shown.unit == "1" else shown.unit,
        groupby_aggfunc="mean",
        groupby_rangefunc="minmax",
    )


def as_json(built: Workspace) -> JsonObject:
    """What W&B is sent when it is saved."""
    view = built._to_model()  # the package has no public way
    spec = view.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    return {"entity": view.entity, "project": view.project, "name": view.display_name, "spec": spec}


def save(built: Workspace) -> str:
    """Save it as a view of its own; the link to it. UserError where W&B does not take it."""
    try:
        return str(built.save_as_new_view().url)
    except Exception as error:  # of network, account or package
        raise UserError(f"Weights & Biases does not take the dashboard ({one_line(error)})") from error


def default_entity() -> str:
    """The user's own, or the team that the account has as its default; UserError where W&B does not say."""
    import wandb

    try:
        return str(wandb.Api().default_entity or "")
    except Exception as error:
        raise UserError(
            f"Weights & Biases does not say who you are ({one_line(error)}); name --entity"
        ) from error
