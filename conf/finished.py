"""Finished runs, found without importing what trained them."""

import json
from collections.abc import Callable
from datetime import datetime
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
        if checkpoint.is_file() and (ended := _ended(summary, fits)) is not None:
            found.append((ended, checkpoint))
    return max(found, default=(0.0, None))[1]


def _ended(summary: Path, fits: Callable[[Any], bool]) -> float | None:
    """When a finished run that fits ended, in seconds; None of any other."""
    try:
        told = json.loads(summary.read_text(encoding="utf-8"))
        config = yaml.safe_load((summary.parent / "config.yaml").read_text(encoding="utf-8"))
        if told.get("status") != "finished" or not fits(config):
            return None
        if "ended" in told:
            return datetime.fromisoformat(told["ended"]).timestamp()
        return summary.stat().st_mtime
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, OSError, ValueError):
        return None  # Somebody else's folder, or a run that is being written.
