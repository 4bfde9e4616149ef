from pathlib import Path

from conf.folders import below


def test_links_are_followed_once_and_lead_nowhere_quietly(tmp_path: Path):
    real, searched = tmp_path / "real", tmp_path / "searched"
    (real / "folder.mid").mkdir(parents=True)
    (real / "a.mid").write_text("a")
    searched.mkdir()
    (searched / "linked").symlink_to(real)
    (searched / "gone.mid").symlink_to(tmp_path / "nowhere")
    (real / "round").symlink_to(searched)
    assert [path.relative_to(searched).as_posix() for path in below(searched)] == ["linked/a.mid"]
