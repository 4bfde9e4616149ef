"""Font files to clean, grouped, de-duplicated A-Z alphabets; and the set that ships here.

A *face* is one alphabet: 26 grey glyphs of one font file, collection member or named instance.
Faces of one family, and faces that look almost alike, form a *group*; splits never cut a group, so
that nothing seen in training has a near twin in validation or test.

    python -m fontgan.typefaces build --fonts DIR... --out typefaces.npz
    python -m fontgan.typefaces sheet --set typefaces.npz --out sheet.png
"""

import csv
import hashlib
import io
import json
import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fontgan import LETTERS
from fontgan.rendering import Face, Rejection

SPLITS = {"train": 0.70, "validate": 0.15, "test": 0.15}
BUILTIN = Path(__file__).parent / "assets" / "typefaces.npz"

VERSION = 1  # of drawing and cleaning: a cache of another version is not used
DUPLICATE = 0.01  # relative squared distance below which two alphabets are one
LINK = 0.02  # ... below which they are of one group
LEGIBLE = 0.6  # share of a face's letters that its neighbours must read; Greek on Latin reaches .54
_SALT = "2"  # of the split; a new one draws new held-out groups, once the old ones were looked at
_LEVELS = 16  # grey levels kept in a file; 256 would triple its size
_COLUMNS = 2  # alphabets side by side in the stored sheet: WebP allows 16,383 rows


@dataclass(frozen=True)
class Typefaces:
    """Alphabets with their provenance.

    Attributes:
        glyphs: ink bright on dark, uint8, shape (faces, 26, size, size).
        faces: where each comes from, `faces` records.
        groups: leak-free group of each face, `faces` names.
    """

    glyphs: NDArray[np.uint8]
    faces: list[Face]
    groups: list[str]

    @property
    def size(self) -> int:
        """Side of a glyph in pixels."""
        return self.glyphs.shape[-1]

    @cached_property
    def fingerprint(self) -> str:
        """Digest of glyphs, groups and split: sets with the same digest train the same models."""
        digest = hashlib.sha256(np.ascontiguousarray(self.glyphs).tobytes())
        digest.update("\n".join([_SALT, *self.groups]).encode())
        return digest.hexdigest()[:12]

    def split(self, name: str) -> NDArray[np.int64]:
        """Indices of the faces in a split: 70 / 15 / 15 % of groups, every kind of face in each.

        Groups are sorted by kind, then by the hash of their name, and every so-manieth one is held
        out: the split depends on the set alone, not on its order or on a random number.

        Raises:
            ValueError: an unknown split, or fewer than three groups.
        """
        if name not in SPLITS:
            raise ValueError(f"unknown split {name!r}; choose one of {', '.join(SPLITS)}")
        kinds: dict[str, str] = {}  # of the first face of each group, by name
        for face, group in sorted(zip(self.faces, self.groups, strict=True), key=_by_name):
            kinds.setdefault(group, face.kind)
        groups = sorted(
            kinds, key=lambda g: (kinds[g], hashlib.sha256((_SALT + g).encode()).digest())
        )
        if len(groups) < 3:
            raise ValueError(
                f"{len(groups)} group(s) of typefaces cannot make a training, a validation and a "
                "test split; add fonts of at least 3 unrelated families"
            )
        held = max(1, round(SPLITS["validate"] * len(groups)))
        phases = {"validate": 0.25, "test": 0.75}
        parts = {
            part: {groups[int((k + phase) * len(groups) / held)] for k in range(held)}
            for part, phase in phases.items()
        }
        parts["train"] = set(groups) - parts["validate"] - parts["test"]
        return np.array([i for i, g in enumerate(self.groups) if g in parts[name]], dtype=int)

    def save(self, path: Path) -> None:
        """Write one compressed file: a lossless WebP sheet of 16 grey levels, and the records."""
        count, letters, size, _ = self.glyphs.shape
        rows = -(-count // _COLUMNS)
        padded = np.zeros((rows * _COLUMNS, letters, size, size), dtype=np.uint8)
        padded[:count] = self.glyphs
        sheet = (
            padded.reshape(rows, _COLUMNS, letters, size, size)
            .transpose(0, 3, 1, 2, 4)
            .reshape(rows * size, _COLUMNS * letters * size)
        )
        pages = []
        # WebP allows 16,383 rows, and Pillow takes a larger page for a decompression bomb.
        step = min(16_000, 80_000_000 // sheet.shape[1]) // size * size
        for top in range(0, rows * size, step):
            page = io.BytesIO()
            Image.fromarray(sheet[top : top + step]).save(
                page, "WEBP", lossless=True, quality=75, method=4
            )
            pages.append(np.frombuffer(page.getvalue(), dtype=np.uint8))
        records = json.dumps(
            {"size": size, "faces": [asdict(f) for f in self.faces], "groups": self.groups}
        )
        arrays = {f"page_{i:03d}": page for i, page in enumerate(pages)}
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer, records=np.frombuffer(records.encode(), dtype=np.uint8), **arrays
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        partial.write_bytes(buffer.getvalue())
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> "Typefaces":
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not such a file, or a damaged one.
        """
        if not path.is_file():
            raise FileNotFoundError(
                f"no typefaces at {path}; make them with fontgan.typefaces build"
            )
        try:
            # Opened here: numpy leaves a file that it cannot read open.
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                records = json.loads(stored["records"].tobytes())
                pages = [stored[name].tobytes() for name in sorted(stored) if name != "records"]
            size, count = records["size"], len(records["faces"])
            sheet = np.concatenate(
                [np.array(Image.open(io.BytesIO(p)).convert("L")) for p in pages]
            )
            rows = sheet.shape[0] // size
            glyphs = (
                sheet.reshape(rows, size, _COLUMNS, len(LETTERS), size)
                .transpose(0, 2, 3, 1, 4)
                .reshape(rows * _COLUMNS, len(LETTERS), size, size)[:count]
            )
            faces = [Face(**record) for record in records["faces"]]
            if not len(glyphs) == len(faces) == len(records["groups"]):
                raise ValueError("records and glyphs differ in number")
        except Exception as error:
            raise ValueError(
                f"{path} is no file of typefaces, or a damaged one ({error})"
            ) from error
        return cls(np.ascontiguousarray(glyphs), faces, records["groups"])

    def attribution(self, path: Path) -> None:
        """Write a CSV of family, face, kind, group, package and licence, one line a face."""
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["family", "face", "kind", "group", "package", "licence", "file"])
            for face, group in zip(self.faces, self.groups, strict=True):
                table.writerow(
                    [
                        face.family,
                        face.style,
                        face.kind,
                        group,
                        face.package,
                        face.licence,
                        face.file,
                    ]
                )


def _by_name(entry: tuple[Face, object]) -> tuple[str, str, str]:
    face = entry[0]
    return face.family.lower(), face.style.lower(), face.file


def quantised(glyphs: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The 16 grey levels that a file keeps, 0 and 255 among them; any shape."""
    top = _LEVELS - 1
    return (np.round(glyphs.astype(np.float32) / 255 * top) * (255 // top)).astype(np.uint8)


def relative_distances(alphabets: NDArray[np.uint8]) -> NDArray[np.float32]:
    """d² between alphabets: squared difference over their mean energy, shape (faces, faces)."""
    flat = alphabets.reshape(len(alphabets), -1).astype(np.float32) / np.float32(255)
    gram = flat @ flat.T
    energy = np.diag(gram)
    total = energy[:, None] + energy[None, :]
    distances = np.maximum(total - 2 * gram, 0) / np.maximum(total / 2, 1e-6)
    return distances.astype(np.float32)


def legibility(
    alphabets: NDArray[np.uint8], groups: Sequence[str], reference: NDArray[np.uint8] | None = None
) -> NDArray[np.float64]:
    """Share of each face's letters that the five nearest glyphs of *other* groups read right.

    Dingbats, and letters of another script mapped on A-Z, agree with nobody.

    Args:
        alphabets: shape (faces, 26, size, size).
        groups: group of each face; its own group never reads a face.
        reference: further alphabets that read, of any size, shape (others, 26, size', size').

    Returns:
        Shares in [0, 1], shape (faces,).
    """
    queries = _pooled(alphabets)
    # 300 faces read as well as a thousand, in a third of the time.
    stride = -(-len(alphabets) // 300)
    readers, owners = queries[::stride], list(groups)[::stride]
    if reference is not None:
        readers = np.concatenate([readers, _pooled(reference[:: -(-len(reference) // 300)])])
        owners += [""] * (len(readers) - len(owners))
    letters = np.tile(np.arange(len(LETTERS)), len(readers))
    flat = readers.reshape(-1, readers.shape[-1])
    shares = np.empty(len(queries))
    known = np.array(owners)
    for i, query in enumerate(queries):
        similarity = query @ flat.T
        similarity[:, np.repeat(known == groups[i], len(LETTERS))] = -1
        nearest = letters[np.argpartition(-similarity, 5, axis=1)[:, :5]]
        votes = (nearest[:, :, None] == np.arange(len(LETTERS))).sum(1)
        shares[i] = (votes.argmax(1) == np.arange(len(LETTERS))).mean()
    return shares


def _pooled(alphabets: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Unit vectors of 12 x 12 glyphs, shape (faces, 26, 144)."""
    count, letters, size, _ = alphabets.shape
    edge = np.linspace(0, size, 13)
    weight = np.clip(
        np.minimum(np.arange(1, size + 1), edge[1:, None])
        - np.maximum(np.arange(size), edge[:-1, None]),
        0,
        None,
    ).astype(np.float32)
    small = weight @ alphabets.astype(np.float32) @ weight.T
    flat = small.reshape(count, letters, -1)
    return flat / np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-6)


_STYLE_WORDS = re.compile(
    r"\b(regular|roman|book|normal|medium|bold|semi|demi|extra|ultra|light|thin|hairline|heavy|black"
    r"|italic|ital|oblique|slanted|condensed|cond|narrow|expanded|extended|wide|compressed|display"
    r"|caption|text|small|caps|sc|nl|std|pro|beta|\d+|[ivx]+)\b"
)


def family_key(family: str) -> str:
    """A family's name without accents, digits, case and words of style: what its cuts share."""
    plain = unicodedata.normalize("NFKD", family).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z]+", " ", plain)
    return " ".join(_STYLE_WORDS.sub(" ", plain).split()) or plain.strip() or "unnamed"


def grouped(alphabets: NDArray[np.uint8], families: Sequence[str]) -> list[str]:
    """Group of each face: the same family key, or a chain of alphabets closer than `LINK`."""
    parent = list(range(len(families)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    keys = [family_key(family) for family in families]
    first: dict[str, int] = {}
    for i, key in enumerate(keys):
        parent[root(i)] = root(first.setdefault(key, i))
    for i, j in np.argwhere(np.triu(relative_distances(alphabets) < LINK, 1)):
        parent[root(int(i))] = root(int(j))
    names: dict[int, str] = {}
    for i, key in enumerate(keys):
        names[root(i)] = min(names.get(root(i), key), key)
    return [names[root(i)] for i in range(len(keys))]


def cleaned(
    faces: Iterable[tuple[Face, NDArray[np.uint8]]], reference: NDArray[np.uint8] | None = None
) -> tuple[Typefaces, list[Rejection]]:
    """Drop near-duplicates and faces without true letters, and group the rest.

    Args:
        faces: rendered faces, each with its alphabet, shape (26, size, size).
        reference: alphabets known to be letters, which help to read the new ones.

    Returns:
        What is kept, in the order of family and style, and what was dropped, with the reason.

    Raises:
        ValueError: nothing is left.
    """
    ordered = sorted(faces, key=_by_name)
    rejections: list[Rejection] = []
    if ordered:
        records, alphabets = [f for f, _ in ordered], quantised(np.stack([g for _, g in ordered]))
        twins = np.triu(relative_distances(alphabets) < DUPLICATE, 1)
        keep = np.ones(len(records), dtype=bool)
        for j in range(len(records)):
            original = np.flatnonzero(twins[:j, j] & keep[:j])
            if len(original):
                keep[j] = False
                twin = records[original[0]]
                rejections.append(
                    Rejection(records[j].file, f"near-duplicate of {twin.family} {twin.style}")
                )
        records, alphabets = [r for r, k in zip(records, keep, strict=True) if k], alphabets[keep]
        groups = grouped(alphabets, [r.family for r in records])
        readers = len(set(groups)) + (0 if reference is None else len(reference))
        # Too few strangers cannot vouch for anybody: then a face is believed.
        shares = legibility(alphabets, groups, reference) if readers >= 8 else np.ones(len(records))
        for record, share in zip(records, shares, strict=True):
            if share < LEGIBLE:
                rejections.append(
                    Rejection(
                        record.file, f"not letters: only {share:.0%} of its glyphs read as A-Z"
                    )
                )
        legible = shares >= LEGIBLE
        if legible.any():
            records = [r for r, k in zip(records, legible, strict=True) if k]
            # Links that ran through a dropped face no longer count.
            groups = grouped(alphabets[legible], [r.family for r in records])
            return Typefaces(alphabets[legible], records, groups), rejections
    raise ValueError("no typeface with letters A-Z is left: " + _reasons(rejections))


def _reasons(rejections: Sequence[Rejection]) -> str:
    shown = "; ".join(f"{Path(r.file).name}: {r.reason}" for r in rejections[:3])
    more = f"; and {len(rejections) - 3} more" if len(rejections) > 3 else ""
    return (shown or "there were none to begin with") + more


def build(
    folders: Sequence[Path],
    size: int = 28,
    reference: NDArray[np.uint8] | None = None,
    progress: bool = False,
) -> tuple[Typefaces, list[Rejection]]:
    """Every face below the folders, rendered, cleaned and grouped.

    Args:
        folders: searched for font files, at any depth.
        size: side of a glyph in pixels, at least 8.
        reference: see `cleaned`.
        progress: show a progress bar.

    Raises:
        FileNotFoundError: a folder that is not there, or no font file in any of them.
        ValueError: no face is left after cleaning.
    """
    from fontgan.rendering import find_fonts, render_all

    rendered, rejections = render_all(find_fonts(folders), size, progress)
    try:
        typefaces, more = cleaned(rendered, reference)
    except ValueError as error:
        raise ValueError(
            f"{error} ({_reasons(rejections)})" if rejections else str(error)
        ) from None
    return typefaces, rejections + more


def contact_sheet(typefaces: Typefaces, columns: int = 2) -> Image.Image:
    """One picture of all faces, dark ink on white, a line each, the groups in order."""
    order = sorted(range(len(typefaces.faces)), key=lambda i: typefaces.groups[i])
    size = typefaces.size
    rows = -(-len(order) // columns)
    width = len(LETTERS) * size
    sheet = Image.new("L", (columns * (width + size), rows * size), 255)
    for place, i in enumerate(order):
        strip = 255 - typefaces.glyphs[i].transpose(1, 0, 2).reshape(size, width)
        left = place // rows * (width + size)
        sheet.paste(Image.fromarray(strip), (left, place % rows * size))
    return sheet


if __name__ == "__main__":
    from fontgan.typefaces_command import main

    main()
