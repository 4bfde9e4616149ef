"""Ctrl-C, SIGTERM and a hang-up end a command as a shell would report it, all being written."""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []))
PATIENCE = 30.0
"""Seconds that the processes of a parallel sweep have to write down how far they came."""

_watching = False


@contextlib.contextmanager
def signals_as_exit(children: bool = False) -> Iterator[None]:
    """Turn Ctrl-C, SIGTERM and SIGHUP into `SystemExit(128 + number)` wherever they strike, once.

    Lightning only looks for SIGTERM between batches, and ends Ctrl-C with the exit code of a bug.
    Inside of another `signals_as_exit` it changes nothing: the outermost one restores the handlers.

    Args:
        children: pass the signal on to this process's children, and wait for them to end.
    """
    global _watching
    if _watching or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, _frame: Any) -> None:
        # One is enough: a second must not cut the summary short.
        for each in STOPPING:
            signal.signal(each, signal.SIG_IGN)
        if children:
            _stop_children(number)
        raise SystemExit(128 + number)

    # Under nohup a hang-up is to be ignored.
    heard = [n for n in STOPPING if n == signal.SIGINT or signal.getsignal(n) != signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}
    _watching = True
    try:
        yield
    finally:
        _watching = False
        for number, handler in before.items():
            signal.signal(number, handler)


def signal_of(stop: BaseException) -> signal.Signals | None:
    """The signal that an exception of `signals_as_exit` stands for; None for any other."""
    code = stop.code if isinstance(stop, SystemExit) else None
    if isinstance(code, int) and code - 128 in set(signal.Signals):
        return signal.Signals(code - 128)
    return None


def die_of(number: int) -> None:
    """End this process of a parallel sweep, which would else be handed the next job.

    To be called when everything is written: nothing is cleaned up any more.
    """
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _stop_children(number: int) -> None:
    # Joblib would kill the processes of its jobs at once, with nothing written.
    children = multiprocessing.active_children()
    for child in children:
        if child.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)
    for child in children:
        child.join(PATIENCE)
