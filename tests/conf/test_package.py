import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_wheel_brings_its_configs_and_runs_from_an_empty_folder(tmp_path):
    source, site, empty = (tmp_path / name for name in ("source", "site", "empty"))
    empty.mkdir()
    # A copy, because a build writes into the tree it builds.
    for package in ("callbacks", "conf", "drumvae", "fontgan"):
        shutil.copytree(REPOSITORY / package, source / package)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), "."]
    subprocess.run([*pip, *build], cwd=source, check=True)
    (wheel,) = tmp_path.glob("modekeeper-*.whl")

    packed = set(zipfile.ZipFile(wheel).namelist())
    data = [*(REPOSITORY / "conf").rglob("*.yaml"), *(REPOSITORY / "fontgan/assets").glob("*.*")]
    assert {str(path.relative_to(REPOSITORY)) for path in data} <= packed
    assert not [name for name in packed if name.startswith(("tests", "docs", "outputs"))]

    install = ["install", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run([*pip, *install], check=True)
    for command in (
        ["-m", "fontgan.train", "--help"],
        ["-c", f"import conf, fontgan; assert conf.__file__.startswith({str(site)!r})"],
    ):
        subprocess.run(
            [sys.executable, *command],
            cwd=empty,
            env=os.environ | {"PYTHONPATH": str(site)},
            check=True,
            stdout=subprocess.DEVNULL,
        )
    assert list(empty.iterdir()) == []
