"""Step-sequencer pictures: voices named, beats marked, velocity as shade, offset as shift."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from callbacks.figures import BLUE, INK

_STEPS_PER_BEAT = 4
_GAP = 0.8  # steps between two bars


def draw_bars(
    axes: Axes,
    bars: Any,
    voices: Sequence[str],
    titles: Sequence[str] = (),
    room: int | None = None,
) -> None:
    """Bars side by side as a drummer's grid, the first voice (the kick) at the bottom.

    All share one pair of axes: fifty bars in as many axes take seconds to draw.

    Args:
        axes: where.
        bars: hits, velocities in [0, 1] and offsets in steps, shape (n, 3, steps, voices).
        voices: names of the rows.
        titles: one above each bar, or none.
        room: leaves room for so many bars; those that there are by default.
    """
    bars = np.asarray(bars)
    steps, count = bars.shape[2:]
    starts = np.arange(len(bars)) * (steps + _GAP)
    beats = np.arange(0, steps, _STEPS_PER_BEAT)
    shaded = [(start + beat - 0.5, _STEPS_PER_BEAT) for start in starts for beat in beats[::2]]
    axes.broken_barh(shaded, (-0.5, count), facecolor="#F1F0EC", linewidth=0, zorder=0)
    ticks = np.add.outer(starts, beats).ravel()
    axes.vlines(ticks - 0.5, -0.5, count - 0.5, color="#B9B6AE", linewidth=1, zorder=1)
    rows, begin = np.tile(np.arange(count + 1) - 0.5, len(bars)), np.repeat(starts, count + 1)
    axes.hlines(rows, begin - 0.5, begin + steps - 0.5, color="#DCDAD4", linewidth=0.6, zorder=1)
    boxes, shades = [], []
    for start, bar in zip(starts, bars, strict=True):
        hits, velocities, offsets = bar
        for step, voice in np.argwhere(hits > 0.5).tolist():
            corner = start + step + offsets[step, voice] - 0.4, voice - 0.38
            boxes.append(Rectangle(corner, 0.8, 0.76))
            # Alpha, not colour, says how loud: a soft hit stays visible, and prints.
            shades.append(0.15 + 0.85 * float(velocities[step, voice]))
    # Thin edges part strokes that touch.
    patches = PatchCollection(boxes, facecolor=BLUE, edgecolor="white", linewidth=0.5, zorder=3)
    patches.set_alpha(shades or None)
    axes.add_collection(patches)
    for start, title in zip(starts, titles, strict=False):
        axes.text(
            start + steps / 2 - 0.5, count - 0.3, title, ha="center", va="bottom", fontsize=10.5
        )
    width = (room or len(bars)) * (steps + _GAP) - _GAP
    # Room for strokes that come before the first step, or after the last.
    axes.set(xlim=(-1, width), ylim=(-0.5, count - 0.5))
    axes.set_xticks(ticks, [str(1 + beat) for beat in range(len(beats))] * len(bars))
    axes.set_yticks(range(count), [voice.replace("_", " ") for voice in voices])
    axes.tick_params(length=0, labelsize=10, colors=INK)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
