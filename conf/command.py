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
from typing import Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from conf.errors import EXPECTED, check_domain, composition_error, one_line

# What the user asked for; `launch` sets the variable itself later, so that Hydra lets errors pass.
FULL_ERROR = os.environ.get("HYDRA_FULL_ERROR") == "1"


class JobFailed(Exception):
    """A job of a sweep failed, and has said why; the sweep goes on."""


def job(function: Callable[[DictConfig], Any]) -> Callable[[DictConfig], Any]:
    """Let the jobs of a command end in one line on stderr: alone with exit code 1, in a sweep not.

    Args:
        function: what to do with the composed config.
    """

    @functools.wraps(function)
    def run(cfg: DictConfig) -> Any:
        if FULL_ERROR:
            return function(cfg)
        try:
            return function(cfg)
        except Exception as error:
            line = one_line(error)
            if not isinstance(error, EXPECTED):
                line += " (HYDRA_FULL_ERROR=1 shows where)"
            hydra = HydraConfig.get()
            if hydra.mode != RunMode.MULTIRUN:
                _fail(line, exit_code=1)
            _say(f"job {hydra.job.num} ({' '.join(hydra.overrides.task)}): {line}")
            raise JobFailed(line) from error

    return run


def launch(entry: Callable[[], Any], app: str) -> None:
    """Run a command; an error before its job starts is one line on stderr and exit code 2.

    Args:
        entry: what `hydra.main` made.
        app: the name of its root config.
    """
    arguments = sys.argv[1:]
    if FULL_ERROR:
        entry()
        return
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        check_domain(arguments, app)
        entry()
    except JobFailed:
        sys.exit(1)
    except OSError as error:
        if error.filename is None:
            _fail(composition_error(error, app, arguments), exit_code=2)
        _fail(
            f"cannot write the run's folder, {one_line(error)}; "
            "choose another with hydra.run.dir=FOLDER (hydra.sweep.dir=FOLDER in a sweep)",
            exit_code=2,
        )
    except Exception as error:
        _fail(composition_error(error, app, arguments), exit_code=2)


def _say(line: str) -> None:
    sys.stderr.write(f"error: {line}\n")


def _fail(line: str, exit_code: int) -> NoReturn:
    _say(line)
    raise SystemExit(exit_code)
