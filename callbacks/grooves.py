"""Step-sequencer pictures: voices named, beats marked, velocity as shade, offset as shift."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from callbacks.figures import BLUE, INK

_STEPS_PER_BEAT = 4


def draw_bar(axes: Axes, bar: Any, voices: Sequence[str] | None) -> None:
    """One bar as a drummer's grid, the first voice (the kick) at the bottom.

    Args:
        axes: where.
        bar: hits, velocities in [0, 1] and offsets in steps, shape (3, steps, voices).
        voices: names of the rows; None leaves them unnamed.
    """
    hits, velocities, offsets = np.asarray(bar)
    steps, count = hits.shape
    for beat in range(0, steps, _STEPS_PER_BEAT):
        if beat // _STEPS_PER_BEAT % 2 == 0:
            axes.axvspan(beat - 0.5, beat + 3.5, color="#F1F0EC", linewidth=0, zorder=0)
        axes.axvline(beat - 0.5, color="#B9B6AE", linewidth=1, zorder=1)
    axes.hlines(np.arange(count + 1) - 0.5, -0.5, steps - 0.5, color="#DCDAD4", linewidth=0.6)
    place = np.argwhere(hits > 0.5)
    boxes = [Rectangle((s + offsets[s, v] - 0.4, v - 0.38), 0.8, 0.76) for s, v in place.tolist()]
    # Alpha, not colour, says how loud: a soft hit stays visible, and prints.
    shade = [0.15 + 0.85 * float(velocities[s, v]) for s, v in place.tolist()]
    patches = PatchCollection(boxes, facecolor=BLUE, edgecolor="none", zorder=3)
    patches.set_alpha(shade or None)
    axes.add_collection(patches)
    axes.set(xlim=(-0.5, steps - 0.5), ylim=(-0.5, count - 0.5))
    beats = range(0, steps, _STEPS_PER_BEAT)
    axes.set_xticks(beats, [str(1 + beat // _STEPS_PER_BEAT) for beat in beats])
    # Axes may be shared: unnamed rows leave the ticks to those that name them.
    if voices is None:
        axes.tick_params(labelleft=False)
    else:
        axes.set_yticks(range(count), [voice.replace("_", " ") for voice in voices])
    axes.tick_params(length=0, labelsize=10, colors=INK)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
