"""Sets of A-Z alphabets with their provenance and their splits; and the set that ships here.

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
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from callbacks.atomic import write_atomically
from fontgan import LETTERS
from fontgan.provenance import Face

SPLITS = {"train": 0.70, "validate": 0.15, "test": 0.15}
BUILTIN = Path(__file__).parent / "assets" / "typefaces.npz"

_SALT = "2"  # of the split; a new one draws new held-out groups, once the old ones were looked at
_COLUMNS = 2  # alphabets side by side in the stored sheet
LARGEST = 16_383 // (_COLUMNS * len(LETTERS))  # side of a glyph: WebP allows 16,383 columns


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
        """Digest of glyphs, groups and salt: sets with the same digest train the same models.

        Kinds of faces balance the splits and are not in it: whoever changes `kind_of` changes the
        salt too.
        """
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
        for face, group in sorted(zip(self.faces, self.groups, strict=True), key=by_name):
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
        write_atomically(path, buffer.getvalue())

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

    def attribution(self) -> bytes:
        """A CSV of family, face, kind, group, package, licence and file, one line a face.

        Bytes of file names that are no UTF-8 are escaped.
        """
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(["family", "face", "kind", "group", "package", "licence", "file"])
        for f, group in zip(self.faces, self.groups, strict=True):
            table.writerow([f.family, f.style, f.kind, group, f.package, f.licence, f.file])
        return text.getvalue().encode("utf-8", "backslashreplace")


def by_name(entry: tuple[Face, object]) -> tuple[str, str, str]:
    """Key that puts faces in the order of family, style and file."""
    face = entry[0]
    return face.family.lower(), face.style.lower(), face.file


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
