"""Search a config for its best values with Optuna: `python -m conf.search fontgan.train …`."""

import argparse
import functools
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from time import strftime
from typing import TYPE_CHECKING, Literal

from hydra import compose, initialize_config_module
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from rich.console import Console
from rich.table import Table

from callbacks.glance import place
from conf.errors import check_domain, composition_error, one_line
from conf.search_space import examples, read_space
from conf.signals import signal_of, signals_as_exit
from conf.sweep_folder import alone_in

if TYPE_CHECKING:
    from optuna.study import Study

    from conf.trials import Search

DIRECTIONS: dict[str, Literal["maximize", "minimize"]] = {"max": "maximize", "min": "minimize"}
EXAMPLES = """
examples:
  python -m conf.search drumvae.train --trials 20 'vae.optimizer.lr=loguniform(1e-4,1e-2)'
  python -m conf.search drumvae.train --trials 30 annealing=linear,cyclical,sigmoid \\
      'annealing.free=uniform(0,0.5)' trainer.max_epochs=10 logger=csv
  python -m conf.search fontgan.train --trials 20 --jobs 2 +experiment=fixed \\
      'gan.gamma=loguniform(0.01,1)' trainer.max_epochs=10

ranges: uniform(LOW,HIGH), loguniform(LOW,HIGH), integers(LOW,HIGH); choices: A,B,C as in a sweep.
Optimised is the last validation value of the config's `optimized_metric`, in the direction that its
`headline` names. The same command with --into SEARCH goes on with a search that was stopped, or
adds trials to one that was not.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run the search, print its table."""
    parser = argparse.ArgumentParser(
        prog="python -m conf.search",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", help="fontgan.train or drumvae.train")
    parser.add_argument("overrides", nargs="*", help="ranges, choices, and what all trials share")
    parser.add_argument("--trials", type=int, default=20, help="how many in all (20)")
    parser.add_argument("--jobs", type=int, default=1, help="how many at the same time (1)")
    parser.add_argument("--seed", type=int, default=0, help="of the proposals (0)")
    parser.add_argument("--into", type=Path, help="folder (outputs/APP/searches/TIME)")
    parser.add_argument("--config-dir", help="a folder of your own configs")
    asked = parser.parse_intermixed_args(arguments)
    try:
        with signals_as_exit():
            sys.exit(search(asked))
    except SystemExit as stop:
        if (number := signal_of(stop)) is not None:
            sys.stderr.write(f"stopped by {number.name}\n")
        raise
    except (ValueError, OSError, HydraException, OmegaConfBaseException) as error:
        sys.stderr.write(f"error: {one_line(error)}\n")
        sys.exit(2)


def search(asked: argparse.Namespace) -> int:
    """Run the search that the command line asks for.

    Args:
        asked: the command line.

    Returns:
        The exit code: 1 where no trial is finished.

    Raises:
        ValueError: it is not possible as it is.
    """
    if asked.trials < 1 or asked.jobs < 1:
        raise ValueError("--trials and --jobs must be 1 or more")
    app, _, verb = asked.command.partition(".")
    if verb != "train" or not Path(__file__).with_name(f"{app}.yaml").is_file():
        raise ValueError(f"cannot search {asked.command!r}; try fontgan.train or drumvae.train")
    check_domain(asked.overrides, app)
    try:
        fixed, space = read_space(asked.overrides)
        configs = [composed(app, [*fixed, *e], asked.config_dir) for e in examples(space)]
    except (HydraException, OmegaConfBaseException) as error:
        own = [] if asked.config_dir is None else ["--config-dir", asked.config_dir]
        raise ValueError(composition_error(error, app, [*own, *asked.overrides])) from error
    config = configs[0]
    measure = str(config.get("optimized_metric"))
    direction = DIRECTIONS.get((config.get("headline") or {}).get(measure, ""))
    if direction is None:
        raise ValueError(
            f"optimized_metric is {measure}, and headline.{measure} does not say whether 'max' or "
            "'min' is wanted; name a measure of the headline with optimized_metric=NAME"
        )
    try:
        from conf.trials import Search, Trials
    except ModuleNotFoundError as error:
        raise ValueError(f"a search needs {error.name}: pip install optuna") from error

    own = (
        () if asked.config_dir is None else ("--config-dir", str(Path(asked.config_dir).absolute()))
    )
    found = Search(
        program=(sys.executable, "-m", asked.command, *own),
        fixed=tuple(fixed),
        space=space,
        measure=measure,
        direction=direction,
        directory=(asked.into or default_directory(app)).absolute(),
        said=tuple(config.get("glance") or ()),
        seed=asked.seed,
    )
    with alone_in(found.directory):
        study = found.study()
        print(f"{asked.trials} trials in {place(found.directory)}: {direction} {measure}")
        try:
            trials = Trials(found, study, functools.partial(print, flush=True))
            trials.run(asked.trials, asked.jobs)
        finally:
            show(found, study)
            words = ["python", "-m", "conf.search", *sys.argv[1:]]
            if asked.into is None:
                words += ["--into", place(found.directory)]
            print(f"go on, or add trials: {shlex.join(words)}")
    return 0 if any(trial.value is not None for trial in study.trials) else 1


def composed(app: str, overrides: Sequence[str], config_dir: str | None) -> DictConfig:
    """The config of a command, for a look at what it says.

    Args:
        app: name of the root config.
        overrides: of the command line.
        config_dir: a folder of further configs.
    """
    own = [] if config_dir is None else [f"hydra.searchpath=[file://{Path(config_dir).absolute()}]"]
    GlobalHydra.instance().clear()
    with initialize_config_module("conf", version_base="1.3"):
        return compose(app, [*own, *overrides])


def default_directory(app: str) -> Path:
    """Where a search goes that is not told where."""
    return Path("outputs") / app / "searches" / strftime("%Y-%m-%d_%H-%M-%S")


def show(search: "Search", study: "Study") -> None:
    """Print the trials, the best first, and the command of the best."""
    from conf.trials import briefly, chosen, why

    table = Table("trial", *search.space, search.measure, "run", box=None, header_style="dim")
    best_first = sorted(
        (trial for trial in study.trials if trial.value is not None),
        key=lambda trial: trial.value or 0.0,
        reverse=search.direction == "maximize",
    )
    others = [trial for trial in study.trials if trial.value is None]
    for trial in best_first + others:
        result = f"{trial.value:.5g}" if trial.value is not None else why(search, trial.number)
        if trial.state.name == "RUNNING":
            result = "interrupted"
        values = briefly(search, trial).values()
        run = place(search.directory / str(trial.number))
        table.add_row(str(trial.number), *values, result, run)
    console = Console(highlight=False)
    console.print(table)
    if best_first:
        best = [*search.program[1:], *search.fixed, *chosen(search, best_first[0])]
        console.print(f"the best: {shlex.join(['python', *best])}", markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
