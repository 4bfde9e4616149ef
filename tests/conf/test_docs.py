"""What the README and docs/ tell a reader to type composes, and what they link to is there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from hydra import compose, initialize_config_module
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CONFIGS = {
    "fontgan.train": "fontgan", "drumvae.train": "drumvae",
    "fontgan.sample": "fontgan_sample", "drumvae.generate": "drumvae_generate",
    "fontgan.evaluate": "fontgan_evaluate", "drumvae.evaluate": "drumvae_evaluate",
}  # fmt: skip
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)
SPAN = re.compile(r"`([^`\n]+)`")


def commands(text: str) -> Iterator[str]:
    """Lines of shell blocks, and spans of code in the text around them."""
    for language, block in FENCE.findall(text):
        if language == "sh":
            yield from block.replace("\\\n", " ").splitlines()
    yield from SPAN.findall(FENCE.sub("", text))


def overrides(command: str) -> tuple[str, list[str]] | None:
    """Which config a command composes, and with what; None for another program.

    An ellipsis stands for what the reader fills in: it is left out, of `seed=1…5` the 1 stays.
    """
    words = shlex.split(command, comments=True)
    if words[:1] == ["make"]:
        given = [word.partition("=")[2] for word in words if word.startswith("ARGS=")]
        if words[1:2] != ["train"]:
            return None
        return "fontgan", shlex.split(given[0]) if given else []
    if words[:2] != ["python", "-m"] or words[2:3] == [] or words[2] not in CONFIGS:
        return None
    given = [re.sub(r"(\w)…\w+$", r"\1", word) for word in words[3:] if not word.startswith("-")]
    return CONFIGS[words[2]], [word for word in given if "…" not in word and "=NAME" not in word]


def composed() -> list[tuple[str, tuple[str, ...]]]:
    found = (overrides(line) for page in PAGES for line in commands(page.read_text()))
    return sorted({(config, tuple(given)) for config, given in filter(None, found)})


def test_a_sweep_says_that_it_is_one():
    for page in PAGES:
        for line in commands(page.read_text()):
            found = overrides(line)
            if found and "-m" not in line.split()[3:]:
                parsed = OverridesParser.create().parse_overrides(found[1])
                assert not any(o.is_sweep_override() for o in parsed), (page.name, line)


def test_commands_are_found():
    assert len(composed()) > 50
    assert ("fontgan", ("+experiment=collapse",)) in composed()


@pytest.mark.parametrize(
    ("config", "given"),
    composed(),
    ids=lambda part: part if isinstance(part, str) else " ".join(part),
)
def test_what_is_to_be_typed_composes(config: str, given: tuple[str, ...]):
    """Of a sweep, each choice of each key."""
    parsed = OverridesParser.create().parse_overrides(list(given))
    choices = [
        [f"{o.input_line.partition('=')[0]}={value}" for value in o.sweep_string_iterator()]
        if o.is_sweep_override() else [o.input_line]
        for o in parsed
    ]  # fmt: skip
    first = [values[0] for values in choices]
    with initialize_config_module("conf", version_base="1.3"):
        assert compose(config, first)
        for place, values in enumerate(choices):
            for value in values[1:]:
                assert compose(config, [*first[:place], value, *first[place + 1 :]])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_linked_to_is_there(page: Path):
    text = FENCE.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target
    for target, heading in re.findall(r"\]\(([^)#\s]*)#([^)]*)\)", text):
        there = (page.parent / target if target else page).read_text()
        headings = re.findall(r"^#+ (.*)$", FENCE.sub("", there), re.M)
        anchors = [re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings]
        assert heading in anchors, (target, heading)


def test_without_an_experiment_it_is_the_fixed_one_and_debugging_is_short():
    """`make train` names none."""
    with initialize_config_module("conf", version_base="1.3"):
        plain, named, short, drums = (
            OmegaConf.to_container(compose(config, [*given, "seed=1"]))
            for config, *given in (
                ("fontgan",),
                ("fontgan", "+experiment=fixed"),
                ("fontgan", "trainer=debug"),
                ("drumvae", "trainer=debug"),
            )
        )
    assert plain.pop("name") == "${hydra:runtime.choices.gan}"
    assert named.pop("name") == "fixed"
    assert plain == named
    assert short["trainer"]["max_epochs"] == drums["trainer"]["max_epochs"] == 2
