"""Finished runs, found without importing what trained them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml


def newest_checkpoint(outputs: Path, fits: Callable[[Any], bool]) -> Path | None:
    """The last checkpoint of the newest finished run; None where there is none.

    Args:
        outputs: folder in which runs are looked for, at any depth.
        fits: whether a run's config, as plain containers, is of the kind that is looked for. What
            it trips over (KeyError, TypeError) is no such run.
    """
    found = []
    for summary in outputs.rglob("summary.json"):
        checkpoint = summary.parent / "checkpoints" / "last.ckpt"
        if checkpoint.is_file() and _finished(summary, fits):
            found.append((checkpoint.stat().st_mtime, checkpoint))
    return max(found, default=(0.0, None))[1]


def _finished(summary: Path, fits: Callable[[Any], bool]) -> bool:
    try:
        told = json.loads(summary.read_text(encoding="utf-8"))
        config = yaml.safe_load((summary.parent / "config.yaml").read_text(encoding="utf-8"))
        return bool(told.get("status") == "finished" and fits(config))
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, OSError, ValueError):
        return False  # Somebody else's folder, or a run that is being written.
