"""Dashboards as code: a workspace and a report in W&B, from the panels that a domain names.

Usage: `python -m callbacks.dashboard app=fontgan entity=NAME project=modekeeper`

The panels lie in `conf/dashboards/<app>.yml`. The packages that build and save them are
imported only when there is something to save.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml

KINDS = ("lines", "matching", "bars", "scatter", "pictures", "table", "importance")
"""What a panel shows: curves over epochs, curves of all names that match, a bar for each run, a
point for each run, pictures by epoch, a table, how much each setting has to do with a measure."""

HELP = """Make a workspace and a report in W&B, with the panels of conf/dashboards/APP.yml.

  python -m callbacks.dashboard app=fontgan
  python -m callbacks.dashboard app=drumvae entity=NAME project=modekeeper
  python -m callbacks.dashboard app=fontgan save=false

  app      fontgan or drumvae
  entity   whose project it is; your default one where it is left out
  project  of the runs (modekeeper)
  save     false prints the panels and saves nothing (true): no network, no key

Saving needs a key (`wandb login`), a network and the package wandb-workspaces. Each call makes
new ones; delete old ones in W&B.
"""


@dataclass(frozen=True)
class Panel:
    """A panel.

    Attributes:
        kind: one of `KINDS`.
        names: what it shows, as runs log it; of `matching` one regular expression, of `scatter`
            the two axes.
        title: above it.
        range: of the values, None where they set it.
        log: the axis of the values is logarithmic.
    """

    kind: str
    names: tuple[str, ...]
    title: str
    range: tuple[float, float] | None = None
    log: bool = False


@dataclass(frozen=True)
class Section:
    """Panels that answer one question: a title, a text, the panels."""

    title: str
    text: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Layout:
    """What a domain shows: its name, a title, a lead, the sections."""

    app: str
    title: str
    lead: str
    sections: tuple[Section, ...]

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(panel for section in self.sections for panel in section.panels)


def read_layout(app: str) -> Layout:
    """Read `conf/dashboards/<app>.yml`.

    Raises:
        ValueError: there is no such domain, or a panel is none.
    """
    folder = files("conf") / "dashboards"
    known = sorted(f.name.removesuffix(".yml") for f in folder.iterdir() if f.name[-4:] == ".yml")
    if app not in known:
        raise ValueError(f"app is {app!r}, it must be one of {', '.join(known)}")
    content = yaml.safe_load((folder / f"{app}.yml").read_text(encoding="utf-8"))
    sections = tuple(
        Section(
            part["title"], part.get("text", "").strip(), tuple(_panel(p) for p in part["panels"])
        )
        for part in content["sections"]
    )
    return Layout(app, content["title"], content["lead"].strip(), sections)


def _panel(entry: dict[str, Any]) -> Panel:
    kinds = [kind for kind in KINDS if kind in entry]
    unknown = set(entry) - {*KINDS, "title", "range", "log"}
    if len(kinds) != 1 or unknown:
        raise ValueError(f"a panel has one of {', '.join(KINDS)}, a title, range and log: {entry}")
    names, limits = entry[kinds[0]], entry.get("range")
    return Panel(
        kinds[0],
        tuple(names) if isinstance(names, list) else (names,),
        entry["title"],
        tuple(limits) if limits else None,
        entry.get("log", False),
    )


def describe(layout: Layout) -> str:
    """The panels as text, a line each."""
    lines = [layout.title, layout.lead]
    for section in layout.sections:
        lines += ["", section.title]
        lines += [f"  {p.kind:<10}  {p.title}: {', '.join(p.names)}" for p in section.panels]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """Save the dashboards of a domain, or print them."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if {"-h", "--help"} & {*arguments}:
        print(HELP)
        return
    try:
        options = _options(arguments)
        layout = read_layout(options["app"])
        if options["save"] == "false":
            print(describe(layout))
            return
        try:
            from callbacks.workspace import save  # W&B's packages are slow to import.
        except ModuleNotFoundError as error:
            raise ValueError(f"{error}; pip install wandb-workspaces") from error
        for what, url in save(layout, options["entity"] or None, options["project"]).items():
            print(f"{what:<10} {url}")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def _options(arguments: Sequence[str]) -> dict[str, str]:
    options = {"app": "", "entity": "", "project": "modekeeper", "save": "true"}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if argument == "--dry-run":
            key, equals, value = "save", "=", "false"
        if key not in options or not equals:
            raise ValueError(f"{argument!r} is none of {', '.join(f'{k}=…' for k in options)}")
        options[key] = value
    if options["save"] not in ("true", "false"):
        raise ValueError(f"save is {options['save']!r}, it must be true or false")
    return options


if __name__ == "__main__":
    main()
