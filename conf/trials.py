"""The trials of a search: proposed by Optuna, run as commands of their own, kept in SQLite.

`SEARCH/study.db` remembers every trial, `SEARCH/NUMBER/` is its run and `SEARCH/NUMBER.log` what
it printed. A trial that was interrupted goes on when the search does.
"""

import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from callbacks.glance import glance, place
from conf.search_space import Numbers, Space, written
from conf.sweep_folder import alone_in, checkpoint_to_resume, last_value, set_aside, summary
from conf.sweep_job import duration

GRACE = 30.0
"""Seconds that a trial which is stopped has to write down how far it came."""


@dataclass(frozen=True)
class Search:
    """What is searched.

    Attributes:
        program: the command of a trial, less its overrides.
        fixed: overrides that all trials share.
        space: what is searched.
        measure: the measure whose last validation value is optimised.
        direction: `"maximize"` or `"minimize"`.
        directory: of the search.
        said: format strings for a trial's line.
        seed: of the proposals.
    """

    program: tuple[str, ...]
    fixed: tuple[str, ...]
    space: Space
    measure: str
    direction: Literal["maximize", "minimize"]
    directory: Path
    said: tuple[str, ...] = ()
    seed: int = 0

    def study(self) -> Study:
        """Open the study in the search's folder, or begin it.

        Raises:
            ValueError: the folder holds another search.
        """
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.directory.mkdir(parents=True, exist_ok=True)
        study = optuna.create_study(
            study_name="search",
            storage=f"sqlite:///{self.directory / 'study.db'}",
            direction=self.direction,
            load_if_exists=True,
        )
        ranges = {k: str(distribution(v)) for k, v in self.space.items()}
        asked = {"fixed": sorted(self.fixed), "space": ranges, "measure": self.measure}
        there = study.user_attrs.setdefault("asked", asked)
        if there != asked:
            different = next(key for key in asked if there[key] != asked[key])
            raise ValueError(
                f"{place(self.directory)} is the folder of another search: {different} is "
                f"{there[different]} there and {asked[different]} here; repeat its arguments, or "
                "choose another folder with --into"
            )
        study.set_user_attr("asked", asked)
        # Proposals begin with random ones, so that a search that goes on must not repeat them.
        proposed = len(study.get_trials(deepcopy=False))
        study.sampler = optuna.samplers.TPESampler(seed=self.seed + proposed, constant_liar=True)
        return study


def distribution(searched: Numbers | tuple[str, ...]) -> BaseDistribution:
    """Optuna's word for what is searched."""
    if not isinstance(searched, Numbers):
        return CategoricalDistribution(searched)
    if searched.scale == "integers":
        return IntDistribution(int(searched.low), int(searched.high))
    return FloatDistribution(searched.low, searched.high, log=searched.scale == "loguniform")


@dataclass
class Trials:
    """Runs the trials of a search, several at a time if wanted.

    Args:
        search: what is searched.
        study: its study.
        tell: is handed a line whenever a trial ends.

    Attributes:
        running: trial number -> its process, and when it began.
    """

    search: Search
    study: Study
    tell: Callable[[str], None]
    running: dict[int, tuple[subprocess.Popen[bytes], float]] = field(default_factory=dict)

    def run(self, trials: int, jobs: int = 1) -> None:
        """Run until there are so many trials, those of earlier starts included.

        Args:
            trials: how many.
            jobs: how many run at the same time.
        """
        interrupted = [t.number for t in self.study.trials if t.state == TrialState.RUNNING]
        total = len(self.study.trials)
        try:
            while self.running or interrupted or total < trials:
                while len(self.running) < jobs and (interrupted or total < trials):
                    if interrupted:
                        number = interrupted.pop(0)
                    else:
                        space = {k: distribution(v) for k, v in self.search.space.items()}
                        number, total = self.study.ask(space).number, total + 1
                    self._start(number)
                time.sleep(0.1)
                for number, (process, began) in list(self.running.items()):
                    if process.poll() is not None:
                        del self.running[number]
                        self._end(number, time.monotonic() - began)
        finally:
            self._stop()

    def _start(self, number: int) -> None:
        directory = self.search.directory / str(number)
        if summary(directory).get("status") == "finished":
            self._end(number, 0.0)
            return
        overrides = [*self.search.fixed, *chosen(self.search, self.study.trials[number])]
        overrides.append(f"hydra.run.dir={directory}")
        with alone_in(directory):  # a search that was killed may have left its trial running
            if checkpoint := checkpoint_to_resume(directory):
                overrides.append(f"ckpt_path={checkpoint}")
            else:
                set_aside(directory)
        with self._log(number).open("wb") as log:
            # In a session of its own: Ctrl-C reaches it through this process, once.
            process = subprocess.Popen(
                [*self.search.program, *overrides],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=os.environ | {"WANDB_RUN_GROUP": self.search.directory.name},
            )
        self.running[number] = (process, time.monotonic())

    def _end(self, number: int, seconds: float) -> None:
        directory = self.search.directory / str(number)
        found = summary(directory)
        value = last_value(directory, self.search.measure)
        if found.get("status") == "finished" and value is not None:
            self.study.tell(number, value)
            said = glance(self.search.said, found["final"]) or f"{self.search.measure} {value:.4g}"
            outcome = "finished", said
        else:
            self.study.tell(number, state=TrialState.FAIL)
            outcome = "failed", why(self.search, number)
        drawn = briefly(self.search, self.study.trials[number])
        parts = (str(number), " ".join(f"{k}={v}" for k, v in drawn.items()), *outcome)
        self.tell("  ".join((*parts, duration(seconds))))

    def _stop(self) -> None:
        """Let running trials write down how far they came; the search goes on with them."""
        for process, _ in self.running.values():
            process.terminate()
        for process, _ in self.running.values():
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()

    def _log(self, number: int) -> Path:
        return self.search.directory / f"{number}.log"


def chosen(search: Search, trial: FrozenTrial) -> list[str]:
    """A trial's own overrides."""
    return [f"{key}={written(trial.params[key], search.space[key])}" for key in search.space]


def briefly(search: Search, trial: FrozenTrial) -> dict[str, str]:
    """A trial's own values, to be read and not to be run."""
    drawn = {key: trial.params[key] for key in search.space}
    return {key: v if isinstance(v, str) else f"{v:.4g}" for key, v in drawn.items()}


def why(search: Search, number: int) -> str:
    """Why a trial failed, in one line."""
    found = summary(search.directory / str(number))
    if found.get("status") == "finished":
        return f"{search.measure} was never measured"
    log = search.directory / f"{number}.log"
    printed = log.read_text(encoding="utf-8", errors="replace").split("\n") if log.exists() else []
    last = next((line for line in reversed(printed) if line.strip()), "it printed nothing")
    return found.get("error") or last.removeprefix("error: ")
