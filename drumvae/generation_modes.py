"""What each `mode=` of `python -m drumvae.generate` makes of a wish."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from drumvae.creative.blend import blend
from drumvae.creative.complexity import of_complexity
from drumvae.creative.infill import infill
from drumvae.creative.sampling import sample
from drumvae.creative.source import body, groove_of
from drumvae.creative.track import following, track
from drumvae.creative.transfer import onset_f1s, transfer
from drumvae.generation_wish import COLUMNS, Made, Wish, above, bars_of, in_rows

_UNTIMED = 120.0
STEPS, BARS, FOLLOWING = 9, 8, 4
OTHERS = 200  # bars of a style that say what a bar has in common with any


def samples(wish: Wish) -> Made:
    """Bars of a style, or of none."""
    cfg, styles = wish.cfg, wish.loaded.styles
    style = None if cfg.style is None else wish.style("style")
    bars = sample(
        wish.loaded.model, styles, style, wish.count("n"), wish.generator,
        cfg["from"] if style is not None else "prior",
    )  # fmt: skip
    return _separate(wish, bars, style, cfg.style or "bar")


def complexity(wish: Wish) -> Made:
    """Bars as dense and syncopated as is asked."""
    style, amount = wish.style("style"), wish.share("amount")
    amounts = torch.full((wish.count("n"),), amount)
    styles = wish.loaded.styles
    bars = of_complexity(wish.loaded.model, styles, style, amounts, wish.generator)
    made = _separate(wish, bars, style, f"{wish.cfg.style}-{amount:g}")
    made.ceiling |= dict(
        zip(("rhythm/density", "rhythm/polyphonic_syncopation"),
            styles.asked(style, amount).tolist(), strict=True)
    )  # fmt: skip
    return made


def _separate(wish: Wish, bars: Tensor, style: int | None, name: str) -> Made:
    """Each bar a groove of its own."""
    styles = wish.loaded.styles
    known = wish.reading(bars) if style is None else style
    made = wish.read(bars, known)
    tempo = wish.tempo(float(styles.tempos[known]) if style is not None else _UNTIMED)
    digits, titled = len(str(len(bars))), []
    for number, bar in enumerate(bars, start=1):
        title = f"{name}-{number:0{digits}d}"
        made.grooves[title], plain = wish.groove(bar[None], known, tempo)
        titled.append((title, plain[0]))
    made.pictured = in_rows(titled)
    return made


def transferred(wish: Wish) -> Made:
    """A file in another style."""
    source, style, typical = wish.source, wish.style("to"), wish.share("typical")
    model, styles = wish.loaded.model, wish.loaded.styles
    found = transfer(model, styles, source.bars, style, wish.generator, typical=typical)
    made = wish.read(found.bars, style)
    groove, bars = wish.groove(found.bars, style, wish.tempo(source.tempo), source.bars)
    made.grooves[wish.cfg.to] = groove
    made.pictured = above(source.bars, bars, "source", str(wish.cfg.to))
    others = sample(model, styles, style, OTHERS, wish.generator)[:, 0]
    sounding = source.bars[:, 0].flatten(1).any(1)
    bars = source.bars[sounding]
    common = [float(onset_f1s(others, bar[0].expand_as(others)).mean()) for bar in bars]
    made.final["transfer/kept"] = float(found.kept[sounding].mean())
    made.floor["transfer/kept"] = sum(common) / len(common)
    made.ceiling["transfer/kept"] = 1.0
    return made


def blended(wish: Wish) -> Made:
    """From one style to another."""
    a, b, steps = wish.style("a"), wish.style("b"), wish.count("steps", STEPS)
    if a == b:
        raise ValueError(f"a= and b= are both {wish.cfg.a}; a blend is between two styles")
    styles = wish.loaded.styles
    found = blend(wish.loaded.model, styles, a, b, steps, wish.generator)
    made = wish.read(found.bars, b)
    tempo = wish.tempo(float((styles.tempos[a] + styles.tempos[b]) / 2))
    name = f"{wish.cfg.a}-{wish.cfg.b}"
    made.grooves[name], bars = wish.groove(found.bars, b, tempo)
    digits, titled = len(str(steps)), []
    for number, bar in enumerate(bars, start=1):
        title = f"{name}-{number:0{digits}d}"
        made.grooves[title] = groove_of(bar[None], styles.kit, tempo)
        read = float(found.read[number - 1])
        titled.append((f"{number}: {read:.2f} {wish.cfg.b}", bar))
    made.pictured = in_rows(titled)
    first, last = float(found.read[0]), float(found.read[-1])
    made.final |= {"blend/first": first, "blend/last": last}
    made.said = f"read as {wish.cfg.b}: {first:.2f} in the first bar, {last:.2f} in the last"
    return made


def tracked(wish: Wish) -> Made:
    """Bars of a style that belong together."""
    style, count = wish.style("style"), wish.count("bars", BARS)
    fill = wish.cfg.fill and count > 1
    bars = track(
        wish.loaded.model, wish.loaded.styles, style, count, wish.generator,
        wish.share("variation"), fill,
    )  # fmt: skip
    made = wish.read(bars, style)
    tempo = wish.tempo(float(wish.loaded.styles.tempos[style]))
    made.grooves["track"], plain = wish.groove(bars, style, tempo)
    titles = [f"bar {number}" for number in range(1, count + 1)]
    if fill:
        titles[-1] += ", a fill"
    made.pictured = in_rows([*zip(titles, plain, strict=True)])
    if count > 1:
        others = sample(wish.loaded.model, wish.loaded.styles, style, count, wish.generator)
        made.final["track/neighbours_differ"] = _apart(bars[:-1], bars[1:])
        made.floor["track/neighbours_differ"] = _apart(bars, others)
    return made


def continued(wish: Wish) -> Made:
    """Bars that go on where a file ends, and the file with them in place of its last stroke."""
    source, count = wish.source, wish.count("bars", FOLLOWING)
    model, styles, begun = wish.loaded.model, wish.loaded.styles, body(source.bars)
    bars = following(model, styles, begun, count, wish.generator, wish.share("variation"))
    style = wish.reading(begun)
    made = wish.read(bars, style)
    last = begun[-1:].expand_as(bars)
    tempo = wish.tempo(source.tempo)
    if len(begun) < len(source.bars):
        strokes = int(source.bars[-1, 0].sum())
        hits = "1 hit" if strokes == 1 else f"{strokes} hits"
        made.remarks = (f"its last bar, of {hits}, is taken for an end and left out",)
    made.grooves["continuation"], plain = wish.groove(bars, style, tempo, last)
    made.grooves["whole"] = groove_of(torch.cat([begun, plain]), styles.kit, tempo)
    titled = [(f"bar {number}, source", bar) for number, bar in enumerate(begun, start=1)]
    titled = titled[-2 * COLUMNS :]
    titled += [(f"bar {len(begun) + number}", bar) for number, bar in enumerate(plain, start=1)]
    made.pictured = in_rows(titled)
    others = sample(model, styles, style, OTHERS, wish.generator)[:, 0]
    made.final["continue/kept"] = float(onset_f1s(bars[:, 0], last[:, 0]).mean())
    made.floor["continue/kept"] = float(onset_f1s(others, last[:1, 0].expand_as(others)).mean())
    return made


def infilled(wish: Wish) -> Made:
    """A file with some voices or steps anew."""
    source, styles = wish.source, wish.loaded.styles
    new = torch.zeros(source.bars.shape[2:], dtype=torch.bool)
    voices, steps = _listed(wish.cfg.voices), _listed(wish.cfg.steps)
    if unknown := [voice for voice in voices if voice not in styles.kit.voices]:
        known = ", ".join(styles.kit.voices)
        raise ValueError(f"no voice {unknown[0]!r} in this kit; voices= takes some of {known}")
    if outside := [s for s in steps if type(s) is not int or not 0 <= s < len(new)]:
        raise ValueError(
            f"no step {outside[0]!r} in a bar; steps= takes some of 0 to {len(new) - 1}"
        )
    rows = steps or range(len(new))
    columns = [styles.kit.voices.index(voice) for voice in voices or styles.kit.voices]
    if voices or steps:
        new[torch.tensor([*rows])[:, None], torch.tensor(columns)] = True
    bars = infill(wish.loaded.model, styles, source.bars, new, wish.generator)
    style = wish.reading(source.bars)
    made = wish.read(bars, style)
    groove, drawn = wish.groove(bars, style, wish.tempo(source.tempo), source.bars * ~new)
    # Whatever plays the new cells, the others are the source's, bit for bit.
    plain = torch.where(new, drawn, source.bars)
    made.grooves["infilled"] = groove_of(plain, styles.kit, groove.tempo)
    made.pictured = above(source.bars, plain, "source", "infilled")
    made.final["infill/changed"] = float((plain[:, 0] != source.bars[:, 0]).float().mean())
    return made


def humanized(wish: Wish) -> Made:
    """A file as a drummer would play it."""
    source, amount = wish.source, wish.share("amount")
    if wish.humanize is None:
        raise FileNotFoundError(
            "nothing here can humanize: train a model of velocities and offsets with python -m "
            "drumvae.train +experiment=humanize, or name one with humanizer_path=FILE"
        )
    style = wish.reading(source.bars)
    made = wish.read(source.bars, style)
    written = groove_of(source.bars, source.kit, wish.tempo(source.tempo))
    made.grooves["humanized"] = wish.humanize(written, amount, wish.generator)
    played = bars_of(made.grooves["humanized"], source.bars.shape[2])
    hits = played[:, 0] > 0
    for number, name in ((1, "velocity"), (2, "offset")):
        moved = (played - source.bars)[:, number][hits].abs()
        made.final[f"humanize/{name}_moved"] = float(moved.mean())
        made.floor[f"humanize/{name}_moved"] = 0.0
    made.pictured = above(source.bars, played, "source", f"humanized by {amount:g}")
    return made


MODES: dict[str, tuple[Callable[[Wish], Made], tuple[str, ...]]] = {
    "samples": (samples, ("style", "from", "n")),
    "transfer": (transferred, ("source", "to", "typical")),
    "blend": (blended, ("a", "b", "steps")),
    "complexity": (complexity, ("style", "amount", "n")),
    "track": (tracked, ("style", "bars", "variation", "fill")),
    "continue": (continued, ("source", "bars", "variation")),
    "infill": (infilled, ("source", "voices", "steps")),
    "humanize": (humanized, ("source", "amount")),
}


def _listed(value: Any) -> Sequence[Any]:
    if value is None:
        return []
    return [value] if isinstance(value, str | int | float) else list(value)


def _apart(a: Tensor, b: Tensor) -> float:
    return float((a[:, 0] != b[:, 0]).flatten(1).float().sum(1).mean())
