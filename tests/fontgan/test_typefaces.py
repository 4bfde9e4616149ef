import csv
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fontgan.cleaning import (
    DUPLICATE,
    LINK,
    family_key,
    grouped,
    quantised,
    relative_distances,
)
from fontgan.provenance import Face
from fontgan.typefaces import BUILTIN, SPLITS, Typefaces, contact_sheet

REPOSITORY = Path(__file__).parents[2]
REAL = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
Rendered = list[tuple[Face, NDArray[np.uint8]]]


def shuffled(typefaces: Typefaces, seed: int) -> Typefaces:
    order = np.random.default_rng(seed).permutation(len(typefaces.faces))
    return Typefaces(
        typefaces.glyphs[order],
        [typefaces.faces[i] for i in order],
        [typefaces.groups[i] for i in order],
    )


def groups_of(typefaces: Typefaces, split: str) -> set[str]:
    return {typefaces.groups[i] for i in typefaces.split(split)}


def synthetic(counts: dict[str, int], kind: str = "sans", size: int = 8) -> Typefaces:
    """Random alphabets: `counts` faces in each group."""
    random = np.random.default_rng(0)
    total = sum(counts.values())
    groups = [group for group, count in counts.items() for _ in range(count)]
    return Typefaces(
        random.integers(0, 256, (total, 26, size, size), dtype=np.uint8),
        [Face(g, str(i), kind, "package", "MIT", f"{i}.ttf") for i, g in enumerate(groups)],
        groups,
    )


# The built-in set.


def test_the_builtin_set_is_large_enough_and_small_enough(builtin: Typefaces):
    assert len(builtin.faces) >= 400 and len(set(builtin.groups)) >= 140
    assert BUILTIN.stat().st_size <= 2_000_000
    assert builtin.glyphs.shape == (len(builtin.faces), 26, 28, 28)
    assert {face.kind for face in builtin.faces} == {"serif", "sans", "mono", "display", "script"}


def test_the_builtin_attribution_has_a_full_line_a_face(builtin: Typefaces):
    with BUILTIN.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [face.file for face in builtin.faces]
    assert [row["group"] for row in rows] == builtin.groups
    for row, face in zip(rows, builtin.faces, strict=True):
        assert row["family"] == face.family.strip() != ""
        assert row["face"] == face.style.strip() != ""
        assert row["package"].startswith(
            ("fonts-", "ttf-", "t1-", "texlive-", "xfonts-", "gsfonts")
        )
        assert row["licence"] == face.licence
        assert row["licence"] and row["licence"] != "unknown"


def test_builtin_glyphs_are_clean(builtin: Typefaces):
    flat = builtin.glyphs.reshape(-1, 28, 28)
    assert (flat.max((1, 2)) >= 5 * 17).all()  # a third of full ink in the faintest
    assert not flat[:, [0, -1]].any() and not flat[:, :, [0, -1]].any()
    assert flat.mean() < 0.4 * 255  # ink is bright, the ground dark
    assert np.array_equal(quantised(builtin.glyphs), builtin.glyphs)


def test_no_two_builtin_faces_are_near_duplicates_and_no_split_leaks(builtin: Typefaces):
    distances = relative_distances(builtin.glyphs)
    np.fill_diagonal(distances, np.inf)
    assert distances.min() >= DUPLICATE
    part = np.zeros(len(builtin.faces), dtype=int)
    for index, split in enumerate(SPLITS, start=1):
        part[builtin.split(split)] += index
    assert set(part) == {1, 2, 3} and len(builtin.split("train")) == (part == 1).sum()
    assert distances[part[:, None] != part].min() >= LINK
    families: dict[str, set[int]] = {}
    for face, split in zip(builtin.faces, part, strict=True):
        families.setdefault(family_key(face.family), set()).add(int(split))
    assert all(len(parts) == 1 for parts in families.values())


def test_builtin_splits_hold_their_share_of_groups_and_of_kinds(builtin: Typefaces):
    total = len(set(builtin.groups))
    members = {split: groups_of(builtin, split) for split in SPLITS}
    assert set().union(*members.values()) == set(builtin.groups)
    assert sum(len(groups) for groups in members.values()) == total
    for split, share in SPLITS.items():
        assert len(members[split]) / total == pytest.approx(share, abs=0.01)
        kinds = Counter(builtin.faces[i].kind for i in builtin.split(split))
        assert {"serif", "sans", "mono", "display"} <= set(kinds)


def test_the_groups_of_the_builtin_set_can_be_found_again(builtin: Typefaces):
    families = [face.family for face in builtin.faces]
    assert grouped(builtin.glyphs, families) == builtin.groups


def test_the_builtin_set_is_what_the_code_draws(builtin: Typefaces, rendered: Rendered):
    """Fonts that matplotlib ships too, of the same version: drawn today they are the same."""
    place = {(face.family, face.style): i for i, face in enumerate(builtin.faces)}
    shared = [(f, g) for f, g in rendered if (f.family, f.style) in place]
    assert len(shared) >= 4
    distances = {}
    for face, alphabet in shared:
        pair = np.stack([quantised(alphabet), builtin.glyphs[place[face.family, face.style]]])
        distances[face.file] = float(relative_distances(pair)[0, 1])
    assert {file: d for file, d in distances.items() if d >= DUPLICATE} == {}


# Splits.


@pytest.mark.parametrize("seed", range(4))
def test_splits_and_groups_do_not_depend_on_the_order_of_faces(builtin: Typefaces, seed: int):
    other = shuffled(builtin, seed)
    assert grouped(other.glyphs, [face.family for face in other.faces]) == other.groups
    for split in SPLITS:
        assert groups_of(other, split) == groups_of(builtin, split)


@pytest.mark.parametrize("count", [3, 4, 7, 10, 20, 33, 100])
def test_splits_of_few_groups(count: int):
    typefaces = synthetic({f"family {chr(97 + k % 26) * (k // 26 + 1)}": 2 for k in range(count)})
    members = [groups_of(typefaces, split) for split in SPLITS]
    assert all(members) and sum(map(len, members)) == count == len(set().union(*members))
    assert len(members[1]) == len(members[2]) == max(1, round(0.15 * count))
    indices = np.concatenate([typefaces.split(split) for split in SPLITS])
    assert sorted(indices) == list(range(2 * count))


def test_too_few_groups_and_unknown_splits_are_errors():
    with pytest.raises(ValueError, match=r"2 group\(s\).*at least 3 unrelated families"):
        synthetic({"one": 5, "two": 1}).split("train")
    with pytest.raises(ValueError, match=r"'valid'.*train, validate, test"):
        synthetic({"a": 1, "b": 1, "c": 1}).split("valid")


# Files.


def test_what_is_saved_is_what_is_loaded(real: Typefaces, tmp_path: Path):
    real.save(tmp_path / "new" / "real.npz")
    loaded = Typefaces.load(tmp_path / "new" / "real.npz")
    assert np.array_equal(loaded.glyphs, real.glyphs)
    assert (loaded.faces, loaded.groups) == (real.faces, real.groups)
    assert loaded.fingerprint == real.fingerprint
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["real.npz"]


@pytest.mark.parametrize(("faces", "size"), [(1, 8), (5, 28), (30, 31), (3, 100)])
def test_every_grey_level_and_any_size_survive_a_file(faces: int, size: int, tmp_path: Path):
    typefaces = synthetic({"a": faces - faces // 2, "b": faces // 2}, size=size)
    typefaces.save(tmp_path / "all.npz")
    loaded = Typefaces.load(tmp_path / "all.npz")
    assert loaded.glyphs.dtype == np.uint8 and np.array_equal(loaded.glyphs, typefaces.glyphs)


def test_more_faces_than_one_page_holds_survive_a_file(tmp_path: Path):
    glyphs = np.zeros((4_001, 26, 8, 8), dtype=np.uint8)
    glyphs[np.arange(4_001), 3, 5, 7] = np.arange(4_001) % 256
    face = Face("family", "style", "sans", "package", "MIT", "file.ttf")
    typefaces = Typefaces(glyphs, [face] * 4_001, ["family"] * 4_001)
    typefaces.save(tmp_path / "many.npz")
    with np.load(tmp_path / "many.npz") as stored:
        assert set(stored) == {"records", "page_000", "page_001"}
    assert np.array_equal(Typefaces.load(tmp_path / "many.npz").glyphs, glyphs)


@pytest.mark.slow
def test_large_glyphs_are_no_decompression_bomb(tmp_path: Path):
    typefaces = synthetic({"family": 250}, size=8)
    large = replace(typefaces, glyphs=np.zeros((250, 26, 128, 128), dtype=np.uint8))
    large.save(tmp_path / "large.npz")
    assert Typefaces.load(tmp_path / "large.npz").size == 128  # a warning would be an error here


def test_the_fingerprint_is_of_pictures_and_groups(real: Typefaces):
    glyphs = real.glyphs.copy()
    glyphs[0, 0, 14, 14] ^= 1
    others = [
        Typefaces(glyphs, real.faces, real.groups),
        Typefaces(real.glyphs, real.faces, ["other", *real.groups[1:]]),
    ]
    assert len({real.fingerprint, *(other.fingerprint for other in others)}) == 3


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "another npz", "flipped", "records"])
def test_a_damaged_file_is_named(damage: str, real: Typefaces, tmp_path: Path):
    path = tmp_path / "set.npz"
    real.save(path)
    whole = path.read_bytes()
    if damage == "another npz":
        np.savez(path, weights=np.zeros(3))
    elif damage == "records":
        with np.load(path) as stored:
            arrays = dict(stored)
        text = (
            arrays["records"]
            .tobytes()
            .replace(b'"DejaVuSans.ttf"}, ', b'"DejaVuSans.ttf"}], "x": [')
        )
        np.savez(path, **(arrays | {"records": np.frombuffer(text, dtype=np.uint8)}))
    else:
        middle = len(whole) // 2
        flipped = whole[:middle] + bytes([whole[middle] ^ 0xFF]) + whole[middle + 1 :]
        contents = {"cut": whole[:middle], "empty": b"", "text": b"text", "flipped": flipped}
        path.write_bytes(contents[damage])
    with pytest.raises(ValueError, match=rf"{path} is no file of typefaces, or a damaged one"):
        Typefaces.load(path)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"gone\.npz"):
        Typefaces.load(tmp_path / "gone.npz")


def test_the_contact_sheet_is_dark_ink_on_white_in_the_order_of_groups():
    typefaces = synthetic({"b": 2, "a": 1})
    sheet = np.asarray(contact_sheet(typefaces, columns=2))
    assert sheet.shape == (2 * 8, 2 * (26 * 8 + 8))
    first = 255 - typefaces.glyphs[2].transpose(1, 0, 2).reshape(8, 208)
    assert np.array_equal(sheet[:8, :208], first)
    assert (sheet[8:, 216:] == 255).all()


# The command.


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fontgan.typefaces", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_build_writes_the_set_and_what_belongs_to_it(
    tmp_path: Path, remapped: Callable[[str, Path, str, str], Path]
):
    fonts = tmp_path / "fonts" / "some-package"
    fonts.mkdir(parents=True)
    for name in ("cmss10.ttf", "cmr10.ttf", "STIXGeneral.ttf", "DejaVuSans.ttf", "STIXNonUni.ttf"):
        shutil.copy(REAL / name, fonts)
    shutil.copy(REAL / "cmss10.ttf", fonts / "twin.ttf")
    remapped("DejaVuSans.ttf", fonts / "runes.ttf", "абвгдежзийклмнпрстуфхцчшщъ", "Runes")
    (fonts / "OFL.txt").write_text("This Font Software is licensed under the SIL Open Font License")
    out, near = tmp_path / "made" / "set.npz", tmp_path / "near.npz"
    done = command("build", "--fonts", tmp_path / "fonts", "--out", out, "--near", near)
    assert done.returncode == 0, done.stderr
    typefaces = Typefaces.load(out)
    assert [face.family for face in typefaces.faces] == [
        "cmr10",
        "cmss10",
        "DejaVu Sans",
        "STIXGeneral",
    ]
    assert {(face.package, face.licence) for face in typefaces.faces} == {
        ("some-package", "OFL-1.1")
    }
    with out.with_suffix(".csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["family"] for row in rows] == [face.family for face in typefaces.faces]
    dropped = dict(
        line.split("\t") for line in (out.parent / "set.dropped.tsv").read_text().splitlines()
    )
    assert set(dropped) == {f"some-package/{name}.ttf" for name in ("twin", "runes", "STIXNonUni")}
    with Image.open(out.with_suffix(".png")) as sheet:
        assert sheet.size == (2 * 27 * 28, 2 * 28)
    assert near.is_file()
    for text in ("4 faces in 4 groups", "near-duplicate", "no capitals", "not letters", "wrote"):
        assert text in done.stdout
    assert "rendering" in done.stdout  # the progress bar


@pytest.mark.parametrize("case", ["empty", "missing", "no letters", "too small"])
def test_a_bad_folder_is_one_line_and_leaves_earlier_results(case: str, tmp_path: Path):
    fonts = tmp_path / "fonts"
    if case != "missing":
        fonts.mkdir()
    if case == "no letters":
        (fonts / "notes.ttf").write_text("a text file")
    size = []
    if case == "too small":
        shutil.copy(REAL / "cmr10.ttf", fonts)
        size = ["--size", "5"]
    (tmp_path / "set.npz").write_bytes(b"from before")
    done = command("build", "--fonts", fonts, "--out", tmp_path / "set.npz", *size)
    assert done.returncode != 0
    [line] = done.stderr.strip().splitlines()
    assert line.startswith("error: ") and (
        case == "too small" or str(fonts) in line or "notes.ttf" in line
    )
    assert (tmp_path / "set.npz").read_bytes() == b"from before"
    assert {path.name for path in tmp_path.iterdir()} <= {"fonts", "set.npz"}


def test_sheet_of_a_damaged_set_is_one_line(tmp_path: Path):
    (tmp_path / "set.npz").write_text("text")
    done = command("sheet", "--set", tmp_path / "set.npz", "--out", tmp_path / "sheet.png")
    assert done.returncode != 0 and not (tmp_path / "sheet.png").exists()
    assert len(done.stderr.strip().splitlines()) == 1 and "set.npz" in done.stderr


def test_names_with_dots_keep_their_dots(tmp_path: Path):
    fonts = tmp_path / "fonts"
    fonts.mkdir()
    for name in ("cmr10.ttf", "cmss10.ttf", "DejaVuSans.ttf"):
        shutil.copy(REAL / name, fonts)
    # Bytes that are no UTF-8, a tab and a line's end: escaped, a line of two fields for each.
    (fonts / "cmr10.ttf").rename(os.fsdecode(os.fsencode(fonts) + b"/caf\xe9.ttf"))
    for name in (b"caf\xe9 no.ttf", b"a\tb\nc.ttf"):
        Path(os.fsdecode(os.fsencode(fonts) + b"/" + name)).write_text("no font")
    out = tmp_path / "set.v1.npz"
    done = command("build", "--fonts", fonts, "--out", out, "--reference", "none")
    assert done.returncode == 0, done.stderr
    names = {path.name for path in tmp_path.iterdir()} - {"fonts"}
    assert names == {"set.v1.npz", "set.v1.csv", "set.v1.png", "set.v1.dropped.tsv"}
    assert "caf\\udce9.ttf" in (tmp_path / "set.v1.csv").read_text("utf-8")
    lines = (tmp_path / "set.v1.dropped.tsv").read_text("utf-8").splitlines()
    assert [line.split("\t")[0] for line in lines] == ["a\\tb\\nc.ttf", "caf\\udce9 no.ttf"]
    done = command("build", "--fonts", fonts, "--out", out, "--size", "316")
    assert done.returncode != 0 and "size must be at most 315" in done.stderr


def test_a_set_too_small_to_split_leaves_earlier_results(tmp_path: Path):
    fonts = tmp_path / "fonts"
    fonts.mkdir()
    shutil.copy(REAL / "cmr10.ttf", fonts)
    (tmp_path / "set.npz").write_bytes(b"from before")
    done = command("build", "--fonts", fonts, "--out", tmp_path / "set.npz")
    assert done.returncode != 0 and "at least 3 unrelated families" in done.stderr
    assert (tmp_path / "set.npz").read_bytes() == b"from before"
