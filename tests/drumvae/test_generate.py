import json
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from drumvae.creative.loading import SHIPPED
from drumvae.grooves import GMD_KIT
from drumvae.midi import read_midi


def generate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "drumvae.generate", *arguments, f"hydra.run.dir={folder}/out"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)


def test_a_track_is_midi_sound_a_picture_and_a_record(tmp_path: Path):
    # No run here: the model that ships plays.
    done = generate(tmp_path, "mode=track", "style=rock", "bars=2", "seed=3", "tempo=100")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    groove, _ = read_midi(out / "midi" / "track.mid", GMD_KIT)
    assert (groove.steps, round(groove.tempo)) == (32, 100)
    (sound,) = (out / "sound").glob("*.wav")
    with wave.open(str(sound)) as file:
        assert file.getnframes() / file.getframerate() >= 2 * 4 * 60 / 100
    assert (out / "figures" / "grooves.png").read_bytes().startswith(b"\x89PNG")
    json.loads((out / "groove.json").read_text())
    summary = json.loads((out / "summary.json").read_text())
    assert summary["status"] == "finished"
    assert summary["seed"] == 3


@pytest.mark.slow
def test_wrong_wishes_are_one_line(tmp_path: Path):
    for arguments, message in (
        (["mode=dance"], "no mode 'dance'"),
        (["mode=samples", "style=jaz"], "did you mean 'jazz'"),
        (["mode=humanize", "source=none.mid"], "none.mid"),
        (["mode=complexity", "style=rock", "amount=2"], "number from 0 to 1"),
        (["mode=track", "style=rock", "amount=0.2"], "does not take amount="),
    ):
        done = generate(tmp_path, *arguments, f"ckpt_path={SHIPPED}")
        assert done.returncode != 0
        assert message in done.stderr
        assert "Traceback" not in done.stderr
