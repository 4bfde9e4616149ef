"""Where a face comes from: its record, its kind, and the licence that it came under."""

import re
from collections.abc import Callable
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
    """A short name for a licence text: the one Debian gives for `Files: *`, else a known phrase.

    "unknown" where nothing is sure: a wrong licence is worse than none.
    """
    stanza = re.search(r"^Files:\s*\*\s*$(?:\n.+)*?\nLicen[cs]e:[ \t]*(\S.*)", text, re.MULTILINE)
    if stanza:
        return stanza.group(1).strip()
    plain = " ".join(text.split())
    for phrase, name in _LICENCES:
        found = re.search(phrase, plain, re.IGNORECASE)
        if found:
            return found.expand(name) if isinstance(name, str) else name(found, plain)
    return "unknown"


def _creative_commons(found: re.Match[str], plain: str) -> str:
    terms = found.group(0).lower()
    marks = (("NC", r"nc\b|non-?commercial"), ("ND", r"nd\b|noderiv"), ("SA", r"sa\b|share-?alike"))
    parts = [mark for mark, word in marks if re.search(word, terms)]
    return "-".join(["CC-BY", *parts])


def _gnu(found: re.Match[str], plain: str) -> str:
    kind = (found.group("kind") or found.group("letter") or "").lower()
    name = {"": "GPL", "a": "AGPL", "affero": "AGPL"}.get(kind, "LGPL")
    version = re.search(r"GPL[- /]?v?(\d(?:\.\d)?)|\bversion (\d(?:\.\d)?)", plain, re.IGNORECASE)
    if not version:
        return name
    later = re.search(r"any later version|GPL[- ]?v?\d(\.\d)?\+", plain, re.IGNORECASE)
    return f"{name}-{version.group(1) or version.group(2)}{'+' if later else ''}"


# In this order: what quotes another licence comes before that one.
_LICENCES: tuple[tuple[str, str | Callable[[re.Match[str], str], str]], ...] = (
    (r"\bSIL Open Font Licen[cs]e|\bOFL\b", "OFL-1.1"),
    (r"\bUbuntu Font Licen[cs]e", "UFL-1.0"),
    (r"\bGUST Font Licen[cs]e|\bGFL\b", "GUST-Font-License"),
    (r"\bBitstream Vera\b", "Bitstream-Vera"),
    (r"\bApache Licen[cs]e,? (?:Version )?2\b|apache\.org/licenses/LICENSE-2", "Apache-2.0"),
    (r"\bMozilla Public Licen[cs]e\b", "MPL"),
    (r"\bGNU Free Documentation Licen[cs]e\b", "GFDL"),
    (r"\bCC0\b|publicdomain/zero", "CC0-1.0"),
    (
        r"\bCC[- ]BY(?:[- ](?:NC|ND|SA))*\b|creativecommons\.org/licenses/by[-a-z]*"
        r"|\bCreative Commons Attribution"
        r"(?:[- ](?:Non-?Commercial|No-?Deriv(?:ative)?s|Share-?Alike))*",
        _creative_commons,
    ),
    (
        r"\b(?:GNU )?(?:(?P<kind>Lesser|Library|Affero) )?General Public Licen[cs]e"
        r"|\b(?P<letter>[AL]?)GPL(?:v?\d|\b)",
        _gnu,
    ),
    (r"\bRedistribution and use in source and binary forms\b", "BSD"),
    (r"\bMIT Licen[cs]e\b|\bPermission is hereby granted, free of charge\b", "MIT"),
    (r"\bnon-?commercial\b|\b(?:for|free for) personal use\b", "non-commercial"),
    (
        r"^\W*public domain\b"
        r"|\b(?:is|are|been|placed|put|released|dedicated)\b"
        r"(?:(?!\bnot\b|\bnever\b)[^.]){0,60}\bpublic domain\b",
        "public-domain",
    ),
)
