"""Which version of its own code a run was made with."""

import subprocess
from pathlib import Path


def code_version(file: Path = Path(__file__)) -> str | None:
    """Name the commit that a file of the code belongs to.

    Args:
        file: any file of the checkout.

    Returns:
        The full hash, followed by `+changes` where tracked files differ from it; None where the
        code is no checkout, and where there is no git: an installed package may lie in somebody
        else's repository, whose commits say nothing about it.
    """

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(file.parent), *arguments],
            capture_output=True, text=True, check=True, timeout=10,
        ).stdout.strip()  # fmt: skip

    try:
        git("ls-files", "--error-unmatch", file.name)
        commit = git("rev-parse", "HEAD")
        changed = git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return commit + ("+changes" if changed else "")
