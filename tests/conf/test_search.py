import csv
import functools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from conf.search import main
from conf.search_space import Numbers, examples, read_space, written
from conf.signals import signals_as_exit

REPOSITORY = Path(__file__).parents[2]
TOY = REPOSITORY / "tests" / "conf" / "toy"

# What a training command leaves, of a run whose value is known: (x - 0.3)² + the penalty of a kind.
PARABOLA = """
import json, os, signal, sys, time
from pathlib import Path
given = dict(argument.split("=", 1) for argument in sys.argv[1:])
run = Path(given["hydra.run.dir"])
run.mkdir(parents=True, exist_ok=True)
def end(status, **more):
    (run / "summary.json").write_text(json.dumps({"status": status, "final": {}} | more))
def stop(number, frame):
    end("interrupted")
    sys.exit(128 + number)
signal.signal(signal.SIGTERM, stop)
if given["kind"] == "broken":
    end("failed", error="it is broken")
    sys.exit(1)
if given["kind"] == "silent":
    sys.exit("error: it never began")
with (run.parent / "started").open("a") as file:
    file.write(run.name + " " + given.get("ckpt_path", "anew") + "\\n")
if (run.parent / "wait").exists() and "ckpt_path" not in given:
    (run / "checkpoints").mkdir()
    import zipfile
    zipfile.ZipFile(run / "checkpoints/last.ckpt", "w").writestr("weights", "")
    (run.parent / "there").touch()
    time.sleep(60)
value = (float(given["x"]) - 0.3) ** 2 + {"a": 0, "b": 1}[given["kind"]] + float(given["shift"])
(run / "metrics.csv").write_text(f"epoch,batch,loss\\n0,1,9\\n1,2,{value!r}\\n")
end("finished", final={"loss": value})
"""


@pytest.fixture
def search(tmp_path):
    """A search for the lowest point of a parabola: search(space, ...) and what it tells."""
    pytest.importorskip("optuna")
    from conf.trials import Search

    program = tmp_path / "parabola.py"
    program.write_text(PARABOLA)
    return functools.partial(
        Search,
        program=(sys.executable, "-S", str(program)),
        fixed=("shift=2",),
        measure="loss",
        direction="minimize",
        directory=tmp_path / "search",
        said=("loss {loss:.3f}",),
    )


def run(search, trials: int, jobs: int = 1) -> tuple[list, list[str]]:
    from conf.trials import Trials

    told: list[str] = []
    study = search.study()
    Trials(search, study, told.append).run(trials, jobs)
    return study.trials, told


def test_what_is_searched_is_told_from_what_is_fixed():
    fixed, space = read_space(
        [
            *("+experiment=fixed", "gan.gamma=loguniform(1e-3,1)", "a.b=integers(2, 8)"),
            *("vae.draws=1,2,4", "x=uniform(-1,1)", "y=interval(0,1)", "data.dirs=[a,b]"),
            *("n=range(1,7,2)", "~callbacks.progress_bar", "gan=choice(vanilla,fixed)"),
        ]
    )
    assert fixed == ["+experiment=fixed", "data.dirs=[a,b]", "~callbacks.progress_bar"]
    assert space == {
        "gan.gamma": Numbers(0.001, 1.0, "loguniform"),
        "a.b": Numbers(2.0, 8.0, "integers"),
        "vae.draws": ("1", "2", "4"),
        "x": Numbers(-1.0, 1.0, "uniform"),
        "y": Numbers(0.0, 1.0, "uniform"),
        "n": ("1", "3", "5"),
        "gan": ("vanilla", "fixed"),
    }
    # Every choice and both ends, each in some config that is composed before anything runs.
    tried = examples(space)
    assert len(tried) == 3
    assert {o for each in tried for o in each} >= {"gan.gamma=0.001", "gan.gamma=1.0", "a.b=2"}
    assert {o for each in tried for o in each} >= {"a.b=8", "vae.draws=2", "gan=vanilla", "n=5"}


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("x=uniform(1)", r"x=uniform\(1\): a range wants two numbers"),
        ("x=uniform(a,b)", "a range wants two numbers"),
        ("x=uniform(2,1)", "2 is not below 1"),
        ("x=loguniform(0,1)", "a logarithm wants ends above 0"),
        ("x=integers(0.5,2)", "the ends must be whole numbers"),
        ("x=1", "nothing is searched"),
    ],
)
def test_a_range_that_is_none_is_named(override, said):
    with pytest.raises(ValueError, match=said):
        read_space([override])


def test_numbers_are_written_exactly():
    drawn = Numbers(0.0, 1.0, "uniform")
    assert float(written(0.1 + 0.2, drawn)) == 0.1 + 0.2
    assert written(3.0, Numbers(1.0, 9.0, "integers")) == "3"
    assert written("a", ("a", "b")) == "a"


def test_a_search_finds_the_lowest_point_and_grows(search, tmp_path):
    parabola = search(space={"x": Numbers(0.0, 1.0, "uniform"), "kind": ("a", "b")})
    first, told = run(parabola, trials=3)
    assert [trial.number for trial in first] == [0, 1, 2]
    trials, _ = run(parabola, trials=16, jobs=2)
    assert len(trials) == 16
    # What was tried before is not tried again, and the values are those of the runs.
    assert [trial.params for trial in trials[:3]] == [trial.params for trial in first]
    assert len({trial.params["x"] for trial in trials}) == 16
    for trial in trials:
        penalty = {"a": 0, "b": 1}[trial.params["kind"]]
        assert trial.value == (trial.params["x"] - 0.3) ** 2 + penalty + 2.0
    best = min(trials, key=lambda trial: trial.value)
    assert best.params["kind"] == "a"
    assert abs(best.params["x"] - 0.3) < 0.1
    assert told[
        0
    ] == f"0  x={first[0].params['x']:.4g} kind={first[0].params['kind']}  finished  " + (
        f"loss {first[0].value:.3f}  0 s"
    )
    assert len((tmp_path / "search/started").read_text().splitlines()) == 16


def test_failed_trials_say_why_and_do_not_stop_the_search(search):
    kinds = ("a", "broken", "silent")
    trials, told = run(search(space={"x": (0, 1), "kind": kinds}, seed=1), trials=8)
    states = {trial.params["kind"]: trial.state.name for trial in trials}
    assert states == {"a": "COMPLETE", "broken": "FAIL", "silent": "FAIL"}
    assert any("kind=broken  failed  it is broken" in line for line in told)
    assert any("kind=silent  failed  it never began" in line for line in told)


def test_an_interrupted_search_goes_on_with_its_trial(search, tmp_path):
    parabola = search(space={"x": Numbers(0.0, 1.0, "uniform"), "kind": ("a",)})
    (tmp_path / "search").mkdir()
    (tmp_path / "search/wait").touch()

    def interrupt() -> None:
        while not (tmp_path / "search/there").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(SystemExit), signals_as_exit():
        run(parabola, trials=2)
    (tmp_path / "search/wait").unlink()
    found = json.loads((tmp_path / "search/0/summary.json").read_text())
    assert found["status"] == "interrupted"
    trials, _ = run(parabola, trials=2)
    assert [trial.state.name for trial in trials] == ["COMPLETE", "COMPLETE"]
    checkpoint = tmp_path / "search/0/checkpoints/last.ckpt"
    assert (tmp_path / "search/started").read_text().splitlines() == [
        "0 anew",
        f"0 {checkpoint}",
        "1 anew",
    ]


def test_a_folder_is_for_one_search(search):
    space = {"x": Numbers(0.0, 1.0, "uniform"), "kind": ("a",)}
    search(space=space).study()
    with pytest.raises(ValueError, match="folder of another search: space is"):
        search(space=space | {"kind": ("a", "b")}).study()
    with pytest.raises(ValueError, match="folder of another search: fixed is"):
        search(space=space, fixed=("shift=3",)).study()
    assert search(space=space).study().trials == []


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "conf.search", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{TOY}"},
        capture_output=True,
        text=True,
        timeout=500,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["drumvae.train", "vae.drows=1,2"], "no key 'vae.drows' .* mean 'vae.draws'"),
        (["drumvae.train", "seed=1"], "nothing is searched"),
        (["drumvae.train", "seed=1,2", "optimized_metric=x"], "headline.x does not say"),
        (["drumvae.dance", "seed=1,2"], "cannot search 'drumvae.dance'"),
        (["drumvae.train", "seed=1,2", "--jobs", "0"], "must be 1 or more"),
    ],
)
def test_a_search_that_is_not_possible_is_refused_in_one_line(
    capsys, monkeypatch, tmp_path, arguments, said
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert re.fullmatch(f"error: .*{said}.*\n", capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_search_of_a_real_command(tmp_path):
    pytest.importorskip("optuna")
    toy = ["gan=toy", "data=toy", "callbacks=toy", "trainer.accelerator=cpu", "logger=csv"]
    done = command(
        tmp_path,
        *("fontgan.train", "--config-dir", f"{TOY}/configs", "--trials", "3", "--into", "search"),
        *("gan.lr=loguniform(1e-3,1e-1)", "gan.width=3,0", "trainer.max_epochs=2", *toy),
    )
    assert (done.returncode, done.stderr) == (0, "")
    runs = {
        p.parent.name: json.loads(p.read_text()) for p in tmp_path.glob("search/*/summary.json")
    }
    assert runs.keys() == {"0", "1", "2"}
    values = {}
    for name, found in runs.items():
        if found["status"] == "finished":
            with (tmp_path / "search" / name / "metrics.csv").open() as file:
                values[name] = float(list(csv.DictReader(file))[-1]["coverage/letters"])
        else:
            assert found["error"] == "gan: width is 0, it must be at least 1"
    table = [line.split() for line in done.stdout.splitlines() if line.startswith(" ")][1:]
    best = max(values, key=lambda name: values[name])
    assert table[0][0] == best
    assert float(table[0][3]) == pytest.approx(values[best], rel=1e-4)
