"""A layout of panels as a workspace and as a report of W&B's, and how they get there."""

import os
import warnings
from typing import Any

import wandb

from callbacks.dashboard import Layout, Panel

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # its own use of pydantic
    import wandb_workspaces.reports.v2.interface as reports
    import wandb_workspaces.workspaces as workspaces


def save(layout: Layout, entity: str | None, project: str) -> dict[str, str]:
    """Make the workspace and the report in W&B.

    Args:
        layout: the panels.
        entity: whose project it is; None for the default of the key's owner.
        project: the project of the runs.

    Returns:
        `"workspace"` and `"report"` -> where it is.

    Raises:
        ValueError: there is no key, no network or no such project.
    """
    if os.environ.get("WANDB_MODE", "online") != "online":
        raise ValueError("WANDB_MODE keeps W&B offline; save=false prints the panels")
    if not wandb.login(prompt=False, verify=False):
        raise ValueError(
            "a dashboard is saved with a W&B key, and there is none: run `wandb login` or set "
            "WANDB_API_KEY; save=false prints the panels"
        )
    try:
        owner = entity or wandb.Api(timeout=20).default_entity or ""
        places = {}
        for what, build in (("report", build_report), ("workspace", build_workspace)):
            places[what] = build(layout, owner, project).save().url
        return places
    # W&B raises errors of its own, of its transport and bare ones, all for what only it can know.
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"W&B has not taken the dashboards of {entity or 'your entity'}/{project}: {reason}; "
            "is there a network, and a run in the project? save=false prints the panels"
        ) from error


def build_workspace(layout: Layout, entity: str, project: str) -> workspaces.Workspace:
    """A workspace with a section for each section, and nothing that W&B makes up by itself.

    Final measures that have a bar chart are columns of the table of runs too.
    """
    columns = [f"summary:{name}" for p in layout.panels if p.kind == "bars" for name in p.names]
    return workspaces.Workspace(
        entity=entity,
        project=project,
        name=layout.title,
        sections=[
            workspaces.Section(
                name=section.title, panels=[*map(build_panel, section.panels)], is_open=True
            )
            for section in layout.sections
        ],
        settings=workspaces.WorkspaceSettings(x_axis="epoch"),
        runset_settings=workspaces.RunsetSettings(
            filters=f"Metric('JobType') = '{layout.app}'",
            pinned_columns=["summary:verdict", *columns],
        ),
    )


def build_report(layout: Layout, entity: str, project: str) -> reports.Report:
    """A report with a heading, a text and a grid of panels for each section."""
    blocks: list[Any] = [reports.P(layout.lead)]
    for section in layout.sections:
        runs = reports.Runset(
            entity=entity,
            project=project,
            name=layout.app,
            filters=f"Metric('JobType') = '{layout.app}'",
        )
        panels = [*map(build_panel, section.panels)]
        blocks += [reports.H2(section.title)]
        blocks += [reports.P(section.text)] if section.text else []
        blocks += [reports.PanelGrid(runsets=[runs], panels=panels)]
    return reports.Report(
        project=project, entity=entity, title=layout.title, blocks=blocks, width="fluid"
    )


def build_panel(panel: Panel) -> Any:
    """A panel of W&B's for one of a layout."""
    title = panel.title
    names: list[Any] = [*panel.names]
    match panel.kind:
        case "lines" | "matching":
            one_by_one = panel.kind == "lines"
            return reports.LinePlot(
                x="epoch",
                y=names if one_by_one else [],
                metric_regex=None if one_by_one else names[0],
                title=title,
                range_y=panel.range or (None, None),
                log_y=panel.log or None,
            )
        case "bars":
            return reports.BarPlot(metrics=names, title=title)
        case "scatter":
            x, y = names
            return reports.ScatterPlot(x=x, y=y, title=title)
        case "pictures":
            return reports.MediaBrowser(media_keys=names, title=title, num_columns=1)
        case "table":
            return reports.WeavePanelSummaryTable(table_name=names[0])
        case "importance":
            return reports.ParameterImportancePlot(with_respect_to=names[0])
    raise ValueError(f"there is no panel of kind {panel.kind!r}")
