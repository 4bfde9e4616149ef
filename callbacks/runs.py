"""Look at runs: `python -m callbacks.runs list | report RUN | compare RUN… | compare SWEEP`."""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

DESCRIPTION = """Look at what runs of either domain have left.

  python -m callbacks.runs list                       the runs under outputs/, newest first
  python -m callbacks.runs report RUN                 a page on one run
  python -m callbacks.runs compare RUN RUN RUN        a page on variants × seeds
  python -m callbacks.runs compare outputs/drumvae/sweeps/TIME --baseline annealing=none
"""

MOST = 10
"""Runs that the screen names of those left out."""

PIPED = 1000
"""Columns of a table that goes to a file or another program, where no line is too long."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and do what it says."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
        sys.stdout.flush()
    except BrokenPipeError:
        # Who reads, such as head, has seen enough; what is still to be flushed goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


def list_(options: argparse.Namespace) -> None:
    """Print a table of runs, or JSON."""
    from rich.console import Console

    from callbacks.comparable import some
    from callbacks.run_directory import find_open_runs
    from callbacks.run_list import as_json, list_runs, table

    listed, unreadable = list_runs(options.root)
    made = [each for each in listed if each.made and not (options.all or options.json)]
    shown = [each for each in listed if each not in made]
    if options.json:
        print(as_json(shown))
    elif shown:
        console = Console()
        width = console.width if console.is_terminal else PIPED
        Console(width=width, highlight=False).print(table(shown, width))
    else:
        print(f"no run has ended below {options.root}")
    if made:
        count = "1 folder" if len(made) == 1 else f"{len(made)} folders"
        sys.stderr.write(f"left out: {count} of made letters or grooves; --all lists them too\n")
    for reason in unreadable:
        sys.stderr.write(f"left out: {reason}\n")
    if still := find_open_runs(options.root):
        count = "1 run has" if len(still) == 1 else f"{len(still)} runs have"
        sys.stderr.write(f"{count} not ended, or been killed: {some(list(map(str, still)), 3)}\n")


def report(options: argparse.Namespace) -> None:
    """Write the report of a run and print its path."""
    from callbacks.report import write_report

    print(write_report(options.run))


def compare(options: argparse.Namespace) -> None:
    """Compare runs: a table on the screen; a page, figures, CSV, Markdown, LaTeX in a folder."""
    from rich.console import Console

    from callbacks.atomic import write_atomically
    from callbacks.comparison import cautions, compare
    from callbacks.comparison_page import comparison_page
    from callbacks.comparison_tables import csv_table, latex, markdown, terminal

    found = compare(options.runs, options.baseline, options.by)
    out = options.out or _folder(options.runs, found.first.app)
    command = shlex.join(["python", "-m", "callbacks.runs", "compare", *map(str, options.runs)])
    if options.baseline:
        command += f" --baseline {shlex.quote(options.baseline)}"
    if options.by:
        command += f" --by {shlex.join(options.by)}"
    page, pictures = comparison_page(found, command)
    written: dict[str, str | bytes] = {
        "compare.html": page,
        "compare.csv": csv_table(found),
        "compare.md": markdown(found),
        "compare.tex": latex(found),
        **{f"figures/{name}.png": png for name, png in pictures.items()},
    }
    for name, content in written.items():
        write_atomically(out / name, content)
    console = Console()
    width = console.width if console.is_terminal else PIPED
    console = Console(width=width, highlight=False)
    console.print(terminal(found))
    for text in cautions(found):
        console.print(text, markup=False)
    for each in found.left_out[:MOST]:
        console.print(f"left out: {each.path}: {each.reason}", markup=False, soft_wrap=True)
    if len(found.left_out) > MOST:
        console.print(f"left out: {len(found.left_out) - MOST} more, named on the page")
    console.print(
        f"{out / 'compare.html'} (and .csv, .md, .tex, figures/)", markup=False, soft_wrap=True
    )


def _folder(runs: Sequence[Path], app: str) -> Path:
    """Into the folder of a sweep, else beside the other outputs."""
    if len(runs) == 1 and not (runs[0] / "summary.json").is_file():
        return runs[0] / "compare"
    return Path("outputs") / app / "compare" / f"{datetime.now():%Y-%m-%d_%H-%M-%S}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m callbacks.runs",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="the runs below a folder, newest first")
    listing.add_argument("root", type=Path, nargs="?", default=Path("outputs"), metavar="FOLDER")
    listing.add_argument("--all", action="store_true", help="made letters and grooves too")
    listing.add_argument("--json", action="store_true", help="for programs, with all measures")
    listing.set_defaults(command=list_)

    reporting = commands.add_parser("report", help="write report.html of a run")
    reporting.add_argument("run", type=Path, metavar="RUN", help="a run directory")
    reporting.set_defaults(command=report)

    comparing = commands.add_parser("compare", help="variants × seeds: tables, figures, a page")
    comparing.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="run directories, or folders of them"
    )
    comparing.add_argument(
        "--out", type=Path, metavar="DIR",
        help="where to write (default: SWEEP/compare, or outputs/APP/compare/TIME)",
    )  # fmt: skip
    comparing.add_argument(
        "--baseline", metavar="NAME",
        help="the variant that the others are held against (default: the first)",
    )  # fmt: skip
    comparing.add_argument(
        "--by", nargs="+", default=[], metavar="KEY",
        help="config keys that make the variants, such as gan.gamma (default: what differs)",
    )  # fmt: skip
    comparing.set_defaults(command=compare)
    return parser


if __name__ == "__main__":
    main()
