"""Where a face comes from: its record, its kind, and the licence that it came under."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fontTools.ttLib import TTFont


@dataclass(frozen=True)
class Face:
    """Where one alphabet comes from.

    Attributes:
        family: family name, as the font says.
        style: subfamily or instance name.
        kind: "serif", "sans", "mono", "script" or "display".
        package: the folder directly below the searched one (Debian package, family folder).
        licence: short name, as the nearest copyright or licence file says, else as the font says.
        file: path below the searched folder, with `#n` for a member or instance.
    """

    family: str
    style: str
    kind: str
    package: str
    licence: str
    file: str


@dataclass(frozen=True)
class Rejection:
    """A file or face that was not used, and why."""

    file: str
    reason: str


def kind_of(font: TTFont, family: str) -> str:
    """Serif, sans, mono, script or display, from the name, the pitch and PANOSE."""
    name = family.lower()
    for words, kind in (
        (r"mono|code|typewriter|courier|console|hack\b|fixed", "mono"),
        (r"script|chancery|cursive|handwrit|hand\b|calligra|comic", "script"),
        (r"sans|gothic|grotes|helvet|nimbus\s?sans|lato|inter\b|roboto\b|switzera|tuffy", "sans"),
        (r"serif|roman|garamond|times|bookman|libertine|junicode|vollkorn|tribun", "serif"),
    ):
        if re.search(words, name):
            return "sans" if kind == "serif" and "sans" in name else kind
    if getattr(font["post"], "isFixedPitch", 0) if "post" in font else False:
        return "mono"
    panose = getattr(font["OS/2"], "panose", None) if "OS/2" in font else None
    if panose is not None:
        if panose.bFamilyType == 3:
            return "script"
        if panose.bFamilyType == 2 and panose.bSerifStyle >= 11:
            return "sans"
        if panose.bFamilyType == 2 and panose.bSerifStyle >= 2:
            return "serif"
    return "display"


@lru_cache(maxsize=1024)
def licence_beside(folder: Path, root: Path) -> str:
    """Short name from the nearest licence file: beside the font, above it, or in usr/share/doc."""
    for place in (folder, *folder.parents):
        names = ["copyright", "OFL.txt", "LICENSE", "LICENSE.txt", "LICENCE.txt", "UFL.txt"]
        candidates = [place / name for name in names]
        candidates += sorted((place / "usr/share/doc").glob("*/copyright"))
        for candidate in candidates:
            if candidate.is_file():
                return short_licence(candidate.read_text("utf-8", "replace"))
        if place == root:
            break
    return ""


def short_licence(text: str) -> str:
    """A short name for a licence text: the one Debian gives for `Files: *`, else a known phrase."""
    stanza = re.search(r"^Files:\s*\*\s*$(?:\n.+)*?\nLicen[cs]e:[ \t]*(\S.*)", text, re.MULTILINE)
    if stanza:
        return stanza.group(1).strip()
    for phrase, name in (
        (r"SIL Open Font|OFL", "OFL-1.1"),
        (r"Apache License|apache\.org", "Apache-2.0"),
        (r"GUST Font|GFL", "GUST-Font-License"),
        (r"Bitstream", "Bitstream-Vera"),
        (r"public domain", "public-domain"),
        (r"GPL-3|version 3", "GPL-3+"),
        (r"GPL-2|General Public", "GPL-2+"),
        (r"MIT|Permission is hereby granted, free", "MIT"),
    ):
        if re.search(phrase, text, re.IGNORECASE):
            return name
    return "unknown"
