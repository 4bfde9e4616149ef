"""A generated alphabet as a TrueType font, as one SVG, and as a specimen.

    report = write_font(images, Path("mine.ttf"), "Mine", "1.0", "seed 3 of run ...")
    specimen(report.path).save("mine.png")

Capitals only; lower case shows them too. `setting` gives traced letters their places by rule,
`tables` makes a font of them, `writing` writes it or the SVG, and `specimen` sets text in it.
"""

from fontgan.fontfile.specimen import specimen
from fontgan.fontfile.writing import FontReport, write_font, write_svg

__all__ = ["FontReport", "specimen", "write_font", "write_svg"]
