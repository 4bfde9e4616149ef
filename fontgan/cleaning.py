"""Rendered faces to a set: drop near-duplicates and what are no letters, and group the rest.

Near-duplicates abound (other formats, clones, re-releases), and a font may map anything at all on
A-Z. What is kept falls into leak-free groups, see `fontgan.typefaces`.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fontgan import LETTERS
from fontgan.provenance import Face, Rejection
from fontgan.rendering import find_fonts, render_all
from fontgan.typefaces import LARGEST, Typefaces, by_name

VERSION = 2  # of drawing and cleaning: a cache of another version is not used
DUPLICATE = 0.01  # relative squared distance below which two alphabets are one
LINK = 0.02  # ... below which they are of one group
LEGIBLE = 0.6  # share of a face's letters that its neighbours must read; Greek on Latin reaches .54
_LEVELS = 16  # grey levels kept in a file; 256 would triple its size


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


_CUTS = (
    "regular|medium|bold|light|thin|hairline|heavy|black|italic|oblique|slanted|condensed|narrow"
    "|expanded|extended|wide|compressed"
)
_STYLE_WORDS = re.compile(
    rf"\b((?:semi|demi|extra|ultra)?(?:{_CUTS})|roman|book|normal|semi|demi|extra|ultra|ital|cond"
    r"|display|caption|text|small|caps|sc|nl|std|pro|beta|\d+|[ivx]+)\b"
)
# FooLight is Foo Light; that Foo is DejaVu does not matter.
_JOINED = re.compile(rf"(?<=[a-z0-9])(?=(?:Semi|Demi|Extra|Ultra|{_CUTS.title()})(?![a-z]))")


def family_key(family: str) -> str:
    """A family's name without accents, digits, case and words of style: what its cuts share.

    Names of other scripts stay as they are but for case: there are no words of style to take out.
    """
    spaced = _JOINED.sub(" ", unicodedata.normalize("NFKD", family))
    plain = spaced.encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z]+", " ", plain)
    named = " ".join(_STYLE_WORDS.sub(" ", plain).split()) or plain.strip()
    return named or " ".join(spaced.casefold().split()) or "unnamed"


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
    # By the pictures too, where all names are the same: in whatever order folders were given.
    ordered = sorted(faces, key=lambda entry: (*by_name(entry), entry[1].tobytes()))
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
        size: side of a glyph in pixels, 8 to 315: a file holds no larger ones.
        reference: see `cleaned`.
        progress: show a progress bar.

    Raises:
        FileNotFoundError: a folder that is not there, or no font file in any of them.
        ValueError: no face is left after cleaning, or another size.
    """
    if size > LARGEST:
        raise ValueError(
            f"glyphs of {size} pixels cannot be stored; size must be at most {LARGEST}"
        )
    rendered, rejections = render_all(find_fonts(folders), size, progress)
    try:
        typefaces, more = cleaned(rendered, reference)
    except ValueError as error:
        raise ValueError(
            f"{error} ({_reasons(rejections)})" if rejections else str(error)
        ) from None
    return typefaces, rejections + more
