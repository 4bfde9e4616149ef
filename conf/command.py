"""What the Hydra commands of both domains share: user errors as one line and an exit code.

A command is three lines:

.. code-block:: python

    @hydra.main(version_base="1.3", config_path="pkg://conf", config_name="fontgan")
    @job
    def train(cfg): ...

    if __name__ == "__main__":
        launch(train, app="fontgan")

`HYDRA_FULL_ERROR=1` in the environment brings the traceback back.
"""

import functools
import os
import sys
from collections.abc import Callable
from signal import Signals
from typing import Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from conf.errors import EXPECTED, check_domain, check_flags, check_seed, composition_error, one_line
from conf.signals import signal_of, signals_as_exit

# What the user asked for. `launch` sets Hydra's variable itself, so that Hydra lets errors pass,
# and the other one to tell the processes of a parallel sweep, which inherit both.
FULL_ERROR = os.environ.get("HYDRA_FULL_ERROR") == "1" and "MODEKEEPER_LAUNCH" not in os.environ


def job(function: Callable[[DictConfig], Any]) -> Callable[[DictConfig], Any]:
    """Let the jobs of a command end in one line: alone on stderr with exit code 1, in a sweep not.

    Args:
        function: what to do with the composed config.
    """

    @functools.wraps(function)
    def run(cfg: DictConfig) -> Any:
        if HydraConfig.get().mode == RunMode.MULTIRUN:
            from conf.sweep_job import run_job

            return run_job(function, cfg, full_error=FULL_ERROR)
        if FULL_ERROR:
            return function(cfg)
        try:
            check_seed(cfg)
            return function(cfg)
        except Exception as error:
            line = one_line(error)
            if not isinstance(error, EXPECTED):
                line += " (HYDRA_FULL_ERROR=1 shows where)"
            _fail(line, exit_code=1)

    return run


def launch(entry: Callable[[], Any], app: str) -> None:
    """Run a command; an error before its job starts is one line on stderr and exit code 2.

    Args:
        entry: what `hydra.main` made.
        app: the name of its root config.
    """
    arguments = sys.argv[1:]
    if not FULL_ERROR:
        os.environ |= {"HYDRA_FULL_ERROR": "1", "MODEKEEPER_LAUNCH": "1"}
    try:
        with signals_as_exit(children=True):
            check_flags(arguments)
            check_domain(arguments, app)
            entry()
    except SystemExit as stop:
        if signal_of(stop) is not None:
            _end_sweep(stop=signal_of(stop))
        raise
    except Exception as error:
        if FULL_ERROR:
            raise
        _end_sweep(failure=error)
        if isinstance(error, OSError) and error.filename is not None:
            _fail(
                f"cannot write the run's folder, {one_line(error)}; "
                "choose another with hydra.run.dir=FOLDER (hydra.sweep.dir=FOLDER in a sweep)",
                exit_code=2,
            )
        _fail(composition_error(error, app, arguments), exit_code=2)
    _end_sweep()


def _end_sweep(stop: Signals | None = None, failure: Exception | None = None) -> None:
    """Where a sweep has begun, say how it ended, and exit unless all is well."""
    # Only a sweep imports it: --help should not wait for what it needs.
    sweeps = sys.modules.get("conf.sweeps")
    sweep = sweeps.begun() if sweeps is not None else None
    if sweep is None:
        return
    if isinstance(failure, HydraException | OmegaConfBaseException):
        sweep.abandon()
        return
    if exit_code := sweep.close(stop, one_line(failure) if failure else None):
        raise SystemExit(exit_code)


def _fail(line: str, exit_code: int) -> NoReturn:
    sys.stderr.write(f"error: {line}\n")
    raise SystemExit(exit_code)
