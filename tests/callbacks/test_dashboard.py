"""Panels name what runs log: `logged/` lists it, and is checked against real runs."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra import compose, initialize_config_module

from callbacks.dashboard import KINDS, describe, main, read_layout
from callbacks.workspace import build_report, build_workspace

REPOSITORY = Path(__file__).parents[2]
APPS = ("fontgan", "drumvae")
LISTS = Path(__file__).parent / "logged"

# Everything that a default run logs, in as little time as it takes.
QUICK = {
    "fontgan": (
        "+experiment=smoke", "trainer.max_epochs=1", "data.batches_per_epoch=2",
        "callbacks.mode_coverage.samples=100", "callbacks.mode_coverage.final_samples=150",
    ),
    "drumvae": (
        "+experiment=linear", "trainer.max_epochs=1", "data.batches_per_epoch=2",
        "data.train=100", "data.held_out=40", "callbacks.likelihood.bars=20",
        "callbacks.likelihood.fresh=20", "callbacks.posterior_collapse.bars=20",
        "callbacks.latent_map.method=pca", "callbacks.groove_grid.per_style=2",
        "callbacks.groove_grid.final_samples=20",
    ),
}  # fmt: skip


def listed(app: str) -> set[str]:
    return set((LISTS / f"{app}.txt").read_text().split())


@pytest.mark.slow
@pytest.mark.parametrize("app", APPS)
def test_the_list_of_names_is_what_a_real_run_logs(app, tmp_path, read_back):
    choices = (*QUICK[app], "~callbacks.progress_bar", "trainer.accelerator=cpu")
    subprocess.run(
        [sys.executable, "-m", f"{app}.train", *choices, "hydra.run.dir=run"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, check=True,
        capture_output=True,
    )  # fmt: skip
    logged = read_back(tmp_path / "run")
    assert [row["epoch"] for row in logged.rows] == [0]
    names = set(logged.state["summary"])
    # W&B's own, and what depends on the checkout rather than on the run.
    found = {name for name in names if name[0] != "_"} - {"fingerprint/code"}
    assert found == listed(app), f"tests/callbacks/logged/{app}.txt is not what a run logs"
    for item in logged.items:
        assert {key.partition("._type")[0] for key in item if key.endswith("._type")} <= found


@pytest.mark.parametrize("app", APPS)
def test_every_panel_names_what_runs_log(app):
    names, layout = listed(app), read_layout(app)
    # A picture, a table or a histogram is none of the numbers that curves and bars are of.
    media = {name for name in names if name.startswith(("figures/", "tables/"))} | {"letters"}
    for panel in layout.panels:
        if panel.kind == "matching":
            matched = [name for name in names if re.fullmatch(panel.names[0], name)]
            assert len(matched) > 1, panel
            assert not {*matched} & media
            continue
        wanted = names & media if panel.kind in ("pictures", "table") else names - media
        assert {*panel.names} <= wanted, panel
        assert len(panel.names) == 2 or panel.kind != "scatter"
        # Bars are of what a run came to, and curves never are.
        assert all(n.startswith("final/") for n in panel.names) == (
            panel.kind in ("bars", "scatter")
        ), panel


@pytest.mark.parametrize("app", APPS)
def test_every_headline_measure_has_a_curve(app):
    with initialize_config_module("conf", version_base="1.3"):
        headline = set(compose(app).headline)
    curves = [panel for panel in read_layout(app).panels if panel.kind == "lines"]
    assert headline <= {name for panel in curves for name in panel.names}


@pytest.mark.parametrize("app", APPS)
def test_the_workspace_holds_the_panels_of_the_layout(app):
    layout = read_layout(app)
    spec = (
        build_workspace(layout, "somebody", "modekeeper")
        ._to_model()
        .spec.model_dump_json(by_alias=True, exclude_none=True)
    )
    section = json.loads(spec)["section"]
    shown = section["panelBankConfig"]["sections"]
    assert [part["name"] for part in shown] == [part.title for part in layout.sections]
    kinds = {
        "lines": "Run History Line Plot", "matching": "Run History Line Plot",
        "bars": "Bar Chart", "scatter": "Scatter Plot", "pictures": "Media Browser",
        "table": "Weave", "importance": "Parameter Importance",
    }  # fmt: skip
    assert set(kinds) == set(KINDS)
    for part, section_ in zip(shown, layout.sections, strict=True):
        for made, panel in zip(part["panels"], section_.panels, strict=True):
            assert made["viewType"] == kinds[panel.kind]
            text = json.dumps(made["config"])
            assert all(json.dumps(name)[1:-1] in text for name in panel.names)
            if panel.kind == "lines":
                assert made["config"]["xAxis"] == "epoch"
    # Both domains share a project: a workspace shows the runs of one.
    (runs,) = section["runSets"]
    (kept,) = runs["filters"]["filters"]
    assert (kept["key"]["name"], kept["value"]) == ("jobType", app)


@pytest.mark.parametrize("app", APPS)
def test_the_report_tells_what_each_section_asks(app):
    layout = read_layout(app)
    # Without an owner nothing asks the network for the project's number.
    report = build_report(layout, "", "modekeeper")._to_model()
    text = report.spec.model_dump_json(by_alias=True, exclude_none=True)
    assert report.display_name == layout.title
    blocks = [block["type"] for block in json.loads(text)["blocks"]]
    assert blocks.count("heading") == blocks.count("panel-grid") == len(layout.sections)
    for section in layout.sections:
        assert json.dumps(section.text, ensure_ascii=False)[1:-1] in text


@pytest.fixture
def server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The address of a server that answers as W&B's does, and the views that it was given."""
    views: list[dict[str, Any]] = []

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            data = self.answer(json.loads(body)) if self.path == "/graphql" else {}
            reply = json.dumps({"data": data}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def answer(self, asked: dict[str, Any]) -> dict[str, Any]:
            query, given = asked["query"], asked.get("variables") or {}
            if "upsertView" in query:
                views.append(given)
                view = {key: given[key] for key in ("type", "name", "displayName", "spec")}
                project = {"id": "1", "name": given["projectName"], "entityName": "us"}
                view |= {"id": "Vmlldzox", "description": "", "project": project}
                return {"upsertView": {"view": view | {"updatedAt": None}, "inserted": True}}
            if "viewer" in query:
                return {"viewer": {"id": "1", "entity": "us", "username": "us", "flags": "{}",
                                   "email": "", "teams": {"edges": []}}}  # fmt: skip
            if "models(" in query:
                return {"models": {"edges": [], "pageInfo": {"endCursor": None, "hasNextPage": 0}}}
            return {"project": {"id": "1", "internalId": "1"}}

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}", views
        running.shutdown()


@pytest.mark.parametrize("app", APPS)
def test_a_report_and_a_workspace_are_sent(app, server, tmp_path):
    address, views = server
    done = subprocess.run(
        [sys.executable, "-m", "callbacks.dashboard", f"app={app}"], cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY), "WANDB_BASE_URL": address,
                          "WANDB_API_KEY": "0123456789" * 4, "WANDB_MODE": "online"},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report, workspace = views
    for sent, kind in ((report, "runs"), (workspace, "project-view")):
        assert (sent["entityName"], sent["projectName"], sent["type"]) == ("us", "modekeeper", kind)
        for panel in read_layout(app).panels:
            assert all(json.dumps(name)[1:-1] in sent["spec"] for name in panel.names)
    printed = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert printed.keys() == {"report", "workspace"}
    assert all(url.startswith(f"{address}/us/modekeeper") for url in printed.values())


def test_the_layout_can_be_printed_without_key_and_network(capsys):
    for arguments in (["app=fontgan", "save=false"], ["app=fontgan", "--dry-run"]):
        main(arguments)
        assert capsys.readouterr().out == describe(read_layout("fontgan")) + "\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["app=fontgan"], "with a W&B key, and there is none: run `wandb login`.*save=false"),
        ([], "app is '', it must be one of drumvae, fontgan"),
        (["app=drum"], "app is 'drum', it must be one of drumvae, fontgan"),
        (["fontgan"], "'fontgan' is none of app=…, entity=…, project=…, save=…"),
        (["app=fontgan", "save=no"], "save is 'no', it must be true or false"),
    ],
)
def test_a_mistake_is_one_line(arguments, said):
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert re.fullmatch(f"error: .*{said}.*", str(stop.value.code))


def test_a_panel_that_is_none_is_named(tmp_path, monkeypatch):
    wrong = {"title": "t", "lead": "l", "sections": [{"title": "s", "panels": [{"curve": "a"}]}]}
    (tmp_path / "dashboards").mkdir()
    (tmp_path / "dashboards" / "mine.yml").write_text(yaml.safe_dump(wrong))
    monkeypatch.setattr("callbacks.dashboard.files", lambda package: tmp_path)
    with pytest.raises(ValueError, match=r"a panel has one of lines, .*'curve': 'a'"):
        read_layout("mine")


def test_help_and_printing_need_nothing_of_wandb():
    code = (
        "import sys; from callbacks.dashboard import main; main(['app=drumvae', 'save=false']); "
        "print({'wandb', 'wandb_workspaces', 'torch', 'lightning'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY
    )
    assert done.stdout.splitlines()[-1] == "set()"
