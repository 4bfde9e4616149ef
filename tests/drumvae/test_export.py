"""A run's model as one file: what is read back is what the run's checkpoint gives."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from drumvae.creative import kept
from drumvae.creative.loading import model_and_data
from drumvae.export import export, main
from drumvae.humanize import load_humanizer

Ended = Callable[..., Path]


def test_a_groove_model_needs_neither_run_nor_data(ended: Ended, tmp_path: Path):
    checkpoint = ended(tmp_path / "run", "+experiment=linear")
    whole = export(checkpoint, tmp_path / "whole.safetensors")
    half = export(tmp_path / "run", tmp_path / "deep" / "half.safetensors", half=True)
    assert half.stat().st_size < whole.stat().st_size
    expected = model_and_data(OmegaConf.create({"ckpt_path": str(checkpoint)}), data_named=False)
    model, styles = kept.load(whole)
    for name, weight in expected.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight), name
        read = kept.load(half)[0].state_dict()[name]
        torch.testing.assert_close(read, weight, rtol=2**-10, atol=2**-24)
    assert styles.names == expected.styles.names
    assert torch.equal(styles.posteriors, expected.styles.posteriors)


def test_a_humanizer_too(ended: Ended, tmp_path: Path):
    checkpoint = ended(tmp_path / "run", "+experiment=humanize")
    main([str(tmp_path / "run"), "--out", str(tmp_path / "played.safetensors")])
    written = load_humanizer(tmp_path / "played.safetensors").averaged.state_dict()
    for name, weight in load_humanizer(checkpoint).averaged.state_dict().items():
        assert torch.equal(written[name], weight.half().float()), name


def test_what_cannot_be_written_is_one_line(
    ended: Ended, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "empty").mkdir()
    ended(tmp_path / "run", "+experiment=linear")
    for source, out, said in (
        ("empty", "a.safetensors", "error: no checkpoint at"),
        ("run", "a.pt", "must end in .safetensors"),
    ):
        with pytest.raises(SystemExit, match=said):
            main([str(tmp_path / source), "--out", str(tmp_path / out)])
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "run"}
