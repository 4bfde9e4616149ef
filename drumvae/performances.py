"""Played drums: the Groove MIDI Dataset, and folders of MIDI files, cut into bars.

Bars are cut within a performance, and splits are by performance: bars of one take are near copies
of each other, and a bar whose neighbour was trained on is no test.
"""

import csv
import io
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.progress import track

from callbacks.atomic import write_atomically
from conf.folders import below
from drumvae.bars import Bars, bars_of
from drumvae.grooves import STEPS_PER_BEAT, Groove, Kit, Losses, quantise, steps_in_bar
from drumvae.midi import Performance, read_performance

LONGEST = 20_000  # bars of a file: ten hours
VERSION = 2  # of the cutting: a cache of another version is not used

# Gillick et al. 2019, "Learning to Groove with Inverse Sequence Transformations"; CC BY 4.0.
ADDRESS = "https://storage.googleapis.com/magentadata/datasets/groove/groove-v1.0.0-midionly.zip"
SHA256 = "651cbc524ffb891be1a3e46d89dc82a1cecb09a57c748c7b45b844c4841dcc1e"
_COLUMNS = ("style", "bpm", "beat_type", "time_signature", "midi_filename", "split")

# The five styles of the recipes, by the first part of the dataset's own; all else is "other".
# Nothing there is electronic: dance, the nearest, is in the training split alone.
STYLES = ("rock", "jazz", "hip-hop", "electronic", "latin", "other")
_STYLE_OF = {
    "rock": "rock",
    "punk": "rock",
    "jazz": "jazz",
    "hiphop": "hip-hop",
    "dance": "electronic",
    "latin": "latin",
    "afrocuban": "latin",
}
TRAIN_ONLY = ("electronic",)


@dataclass
class Report:
    """What reading found, and what it left out and why.

    Attributes:
        losses: notes that the grid or the kit could not hold.
        skipped: file -> reason.
    """

    losses: Losses = field(default_factory=Losses)
    skipped: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        reasons = Counter(
            reason.partition(": ")[0] for reason in self.skipped.values()
        ).most_common()
        skipped = "; ".join(f"{count} {reason}" for reason, count in reasons)
        return (
            f"{self.losses.collisions} notes shared a cell with one as loud or louder, "
            f"{self.losses.outside} are of voices outside the kit, "
            f"{self.losses.early} lie before the first step, "
            f"{len(self.skipped)} files skipped" + (f" ({skipped})" if skipped else "")
        )


def cut(
    performance: Performance, kit: Kit, bars: int = 1, meter: tuple[int, int] = (4, 4)
) -> tuple[list[Groove], Losses]:
    """Cut a performance into grooves of so many bars, one after the other.

    A bar's early hits lie before its bar line. Bars without a hit and a rest too short for a
    whole groove are left out.

    Args:
        performance: what was played.
        kit: the voices.
        bars: of each groove.
        meter: that is wanted.

    Raises:
        ValueError: a performance in another meter, or one of more than `LONGEST` bars.
    """
    if performance.meter != meter:
        raise ValueError(
            f"in {performance.meter[0]}/{performance.meter[1]}: not {meter[0]}/{meter[1]}"
        )
    if performance.bars > LONGEST:
        raise ValueError(f"too long: {performance.bars:,} bars, and {LONGEST:,} are the most")
    steps = bars * steps_in_bar(meter)
    count = performance.bars // bars
    whole, losses = quantise(performance.notes, kit, max(1, count) * steps, 120, meter)
    grooves = []
    for index in range(count):
        part = slice(index * steps, (index + 1) * steps)
        if whole.hits[part].any():
            tempo = performance.tempo_at(index * steps / STEPS_PER_BEAT)
            grooves.append(
                Groove(
                    whole.hits[part], whole.velocities[part], whole.offsets[part], tempo, meter, kit
                )
            )
    return grooves, losses


def read_gmd(
    archive: Path, kit: Kit, bars: int = 1, kinds: Sequence[str] = ("beat",), progress: bool = True
) -> tuple[dict[str, Bars], Report]:
    """Read the Groove MIDI Dataset's official splits.

    Args:
        archive: its zip of MIDI files.
        kit: the voices.
        bars: of each groove.
        kinds: of performances: "beat", "fill" or both.
        progress: show a bar.

    Returns:
        "train", "validate" and "test", and what was left out.

    Raises:
        FileNotFoundError: no such archive.
        ValueError: a damaged archive, one without the columns that are needed, or no bar is left.
    """
    if not archive.is_file():
        raise FileNotFoundError(
            f"no archive at {archive}; leave data.archive out to fetch it from {ADDRESS}"
        )
    report = Report()
    found: dict[str, tuple[list[Groove], list[int], list[int]]] = {}
    try:
        opened = zipfile.ZipFile(archive)
    except (zipfile.BadZipFile, OSError) as error:
        raise ValueError(f"{archive} is no zip archive, or a damaged one ({error})") from error
    with opened as file, TemporaryDirectory() as folder:
        rows = _table(archive, file)
        wanted = [row for row in rows if row["beat_type"] in kinds]
        for number, row in enumerate(
            track(wanted, "reading the Groove MIDI Dataset", disable=not progress)
        ):
            name = row["midi_filename"]
            try:
                if row["time_signature"] != "4-4":
                    raise ValueError(f"in {row['time_signature'].replace('-', '/')}: not 4/4")
                path = Path(file.extract(f"groove/{name}", folder))
                grooves, losses = cut(read_performance(path), kit, bars)
            except (ValueError, KeyError, OSError, zipfile.BadZipFile, EOFError) as error:
                report.skipped[name] = str(error)
                continue
            report.losses += losses
            split = {"validation": "validate"}.get(row["split"], row["split"])
            style = STYLES.index(_STYLE_OF.get(row["style"].split("/")[0], "other"))
            lists = found.setdefault(split, ([], [], []))
            lists[0].extend(grooves)
            lists[1].extend([style] * len(grooves))
            lists[2].extend([number] * len(grooves))
    missing = [split for split in ("train", "validate", "test") if not found.get(split, ([],))[0]]
    if missing:
        raise ValueError(f"{archive} has no bar left for {', '.join(missing)}: {report}")
    return {split: bars_of(*lists, STYLES, kit) for split, lists in found.items()}, report


def _table(archive: Path, file: zipfile.ZipFile) -> list[dict[str, str]]:
    try:
        text = file.read("groove/info.csv").decode()
    except (KeyError, zipfile.BadZipFile, UnicodeDecodeError, EOFError) as error:
        raise ValueError(f"{archive} has no readable groove/info.csv ({error})") from error
    table = csv.DictReader(io.StringIO(text))
    missing = [name for name in _COLUMNS if name not in (table.fieldnames or ())]
    if missing:
        raise ValueError(f"info.csv in {archive} lacks the column(s) {', '.join(missing)}")
    return list(table)


def find_midi(folders: Sequence[Path]) -> list[Path]:
    """MIDI files below the folders, in order; links are followed.

    Raises:
        FileNotFoundError: a folder that is not there, or no MIDI file in any.
    """
    files: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise FileNotFoundError(f"no folder {folder}")
        files += [p for p in below(folder) if p.suffix.lower() in (".mid", ".midi")]
    if not files:
        named = ", ".join(str(folder) for folder in folders)
        raise FileNotFoundError(f"no MIDI file (.mid, .midi) below {named}")
    return sorted(files)


def read_folders(
    folders: Sequence[Path], kit: Kit, bars: int = 1, progress: bool = True
) -> tuple[dict[str, Bars], Report]:
    """Read folders of MIDI files; a file's folder is its style, and a file is a performance.

    Performances are dealt to the splits, 70 / 15 / 15 %, in the order of the digests of their
    contents: two copies of a file are one performance.

    Raises:
        FileNotFoundError: a missing folder, or no MIDI file.
        ValueError: fewer than three usable files.
    """
    report = Report()
    read: dict[str, tuple[str, list[Groove]]] = {}
    for path in track(find_midi(folders), "reading MIDI files", disable=not progress):
        try:
            grooves, losses = cut(read_performance(path), kit, bars)
            if not grooves:
                raise ValueError(f"too short: less than {bars} bar(s)")
        except (ValueError, OSError) as error:
            report.skipped[str(path)] = str(error)
            continue
        digest = sha256(path.read_bytes()).hexdigest()
        if digest in read:
            report.skipped[str(path)] = "a copy: of a file read before"
            continue
        report.losses += losses
        read[digest] = (path.parent.name, grooves)
    if len(read) < 3:
        why = "; ".join(
            f"{Path(p).name}: {reason}" for p, reason in list(report.skipped.items())[:3]
        )
        raise ValueError(
            f"{len(read)} usable MIDI file(s) cannot make a training, a validation and a test "
            f"split; at least 3 are needed" + (f" ({why})" if why else "")
        )
    names = tuple(sorted({style for style, _ in read.values()}))
    held = max(1, round(0.15 * len(read)))
    order = sorted(read)
    parts = {
        "validate": order[:held],
        "test": order[held : 2 * held],
        "train": order[2 * held :],
    }
    number = {digest: i for i, digest in enumerate(order)}
    return {
        split: _collected([(number[d], *read[d]) for d in digests], names, kit)
        for split, digests in parts.items()
    }, report


def _collected(
    entries: Iterable[tuple[int, str, list[Groove]]], names: tuple[str, ...], kit: Kit
) -> Bars:
    grooves, styles, performances = [], [], []
    for number, style, cut_bars in entries:
        grooves += cut_bars
        styles += [names.index(style)] * len(cut_bars)
        performances += [number] * len(cut_bars)
    return bars_of(grooves, styles, performances, names, kit)


def fetch(folder: Path) -> Path:
    """The dataset's archive: kept in `folder`, fetched from its public address where it is not.

    Raises:
        ValueError: it cannot be fetched, or what came is not the archive.
    """
    import pooch  # Only where something is fetched.

    try:
        return Path(pooch.retrieve(ADDRESS, f"sha256:{SHA256}", ADDRESS.rpartition("/")[2], folder))
    except Exception as error:
        raise ValueError(
            f"cannot fetch {ADDRESS} ({error}); fetch it by hand and name it with data.archive=PATH"
        ) from error


def cached(
    path: Path, make: Callable[[], tuple[dict[str, Bars], Report]]
) -> tuple[dict[str, Bars], str]:
    """Splits from three files beside `path`, made and kept where they are missing or damaged.

    Returns:
        The splits, and the report of their reading in a line.
    """
    files = {
        split: path.with_name(f"{path.name}-{split}.npz") for split in ("train", "validate", "test")
    }
    note = path.with_name(f"{path.name}.txt")
    said = note.read_text(encoding="utf-8") if note.is_file() else ""
    if said and all(file.is_file() for file in files.values()):
        try:
            return {split: Bars.load(file) for split, file in files.items()}, said
        except ValueError:
            pass  # damaged: read again below
    splits, report = make()
    for split, file in files.items():
        splits[split].save(file)
    lines = [str(report), *(f"{name}: {reason}" for name, reason in report.skipped.items())]
    said = "\n".join(lines) + "\n"
    write_atomically(note, said)
    return splits, said
