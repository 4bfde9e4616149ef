import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from callbacks.run_list import list_runs, table
from callbacks.runs import main

VERDICT = "losing letters: M, N and W are seldom drawn, and have been since epoch 12 of the run"


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """Three runs in the order `old`, `failed`, `new`, and one that has not ended."""
    for number, name in enumerate(("old", "failed", "new")):
        folder = tmp_path / name
        folder.mkdir()
        summary: Any = {"status": "failed", "seed": number, "error": "no memory"}
        if name != "failed":
            final = {"coverage/letters": 20.0 + number, "active/high": 1.0, "active/low": None}
            summary |= {"status": "finished", "error": None, "verdict": VERDICT, "final": final}
        config: Any = {"app": "fontgan", "name": f"{name}-recipe", "seed": number}
        config["headline"] = dict.fromkeys(["coverage/letters", "active/high", "active/low"], "max")
        if name == "new":
            config["glance"] = ["letters {coverage/letters:.0f}/26"]
        (folder / "config.yaml").write_text(json.dumps(config))
        (folder / "summary.json").write_text(json.dumps(summary))
        os.utime(folder / "summary.json", (1e9 + number, 1e9 + number))
    (tmp_path / "running").mkdir()
    (tmp_path / "running" / "config.yaml").write_text("app: fontgan")
    return tmp_path


def test_what_was_made_with_a_model_is_listed_when_asked_for(
    outputs: Path, capsys: pytest.CaptureFixture[str]
):
    config = json.loads((outputs / "new" / "config.yaml").read_text()) | {"mode": "grid"}
    (outputs / "new" / "config.yaml").write_text(json.dumps(config))
    main(["list", str(outputs)])
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 4 and str(outputs / "new") not in out
    assert "left out: 1 folder of made letters or grooves; --all lists them too" in err
    main(["list", str(outputs), "--all"])
    assert str(outputs / "new") in capsys.readouterr().out
    main(["list", str(outputs), "--json"])
    assert len(json.loads(capsys.readouterr().out)) == 3


def lines(root: Path, width: int) -> list[str]:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table(list_runs(root)[0], width))
    return console.export_text().splitlines()


def test_runs_are_listed_the_newest_first(outputs: Path, capsys: pytest.CaptureFixture[str]):
    main(["list", str(outputs)])
    out, err = capsys.readouterr()
    rows = out.splitlines()[2:]
    assert [row.split()[-1] for row in rows] == [
        str(outputs / name) for name in ("new", "failed", "old")
    ]
    assert "letters 22/26" in rows[0]
    assert "no memory" in rows[1]
    # Without words of its own the config's headline, ends of names where these are unlike.
    assert "letters 20 · high 1" in rows[2]
    assert "losing letters: M, N and W are seldom drawn, …" in rows[2]
    assert f"1 run has not ended, or been killed: {outputs / 'running'}" in err


def test_a_narrow_terminal_leaves_columns_out_and_cuts_no_folder(outputs: Path):
    longest = len(str(outputs / "failed"))
    head, _, *rows = lines(outputs, longest + 60)
    assert "verdict" not in head
    assert [row.split()[-1] for row in rows] == [
        str(outputs / name) for name in ("new", "failed", "old")
    ]


def test_json_has_all_headline_measures(outputs: Path, capsys: pytest.CaptureFixture[str]):
    main(["list", str(outputs), "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [row["seed"] for row in rows] == [2, 1, 0]
    assert rows[2]["headline"] == {"coverage/letters": 20, "active/high": 1, "active/low": None}
    assert (rows[2]["verdict"], rows[1]["error"]) == (VERDICT, "no memory")


def test_a_run_that_cannot_be_read_hides_no_other(
    outputs: Path, capsys: pytest.CaptureFixture[str]
):
    (outputs / "old" / "summary.json").write_text("{")
    main(["list", str(outputs)])
    out, err = capsys.readouterr()
    assert str(outputs / "new") in out
    assert f"left out: {outputs / 'old'} cannot be read" in err


def test_a_comparison_leaves_four_files_and_names_them(
    outputs: Path, capsys: pytest.CaptureFixture[str]
):
    main(["compare", str(outputs)])
    out, _ = capsys.readouterr()
    written = sorted(path.name for path in (outputs / "compare").iterdir())
    assert written == [*(f"compare.{kind}" for kind in ("csv", "html", "md", "tex")), "figures"]
    assert f"{outputs / 'compare' / 'compare.html'} (and .csv, .md, .tex, figures/)" in out
    assert f"left out: {outputs / 'failed'}: failed: no memory" in out
    assert "name=" not in out
    assert "new-recipe" in out
    # What it has written is no run of the next comparison.
    main(["compare", str(outputs), "--baseline", "new", "--by", "name", "--out", str(outputs)])
    assert "P(better than new-recipe)" in (outputs / "compare.md").read_text()


def test_mistakes_end_in_one_line(outputs: Path):
    for arguments, message in (
        (["compare", "gone"], "error: there is no folder gone"),
        (["compare", str(outputs / "failed")], "error: there is no finished run to compare"),
        (["list", "gone"], "error: there is no folder gone"),
        (["report", "gone"], "error: gone is no folder"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(arguments)
        assert str(stop.value).startswith(message)


def test_help_and_list_load_neither_torch_nor_matplotlibs_pyplot(outputs: Path):
    code = (
        "import sys; from callbacks.runs import main; main(['list', sys.argv[1]]); "
        "print(sorted({'torch', 'lightning', 'matplotlib.pyplot'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(outputs)], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
