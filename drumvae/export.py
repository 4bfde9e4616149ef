"""Write a run's model as one file that needs no run, and no data: `python -m drumvae.export RUN`.

Of a VAE that is its networks and what it knows of each style, of a humanizer its averaged weights:
safetensors, no code in it, the form of the two models that ship. `drumvae.generate` and
`drumvae.playground` take it as `ckpt_path=FILE`, a humanizer as `humanizer_path=FILE`.
"""

import argparse
import sys
from pathlib import Path

from omegaconf import OmegaConf


def export(source: Path, out: Path, half: bool = False) -> Path:
    """Write the model of a run or of a checkpoint.

    Args:
        source: a run directory, or RUN/checkpoints/NAME.ckpt.
        out: a .safetensors file.
        half: keep the networks' weights in half precision; a humanizer's always are.

    Raises:
        FileNotFoundError: no checkpoint, or no config of its run.
        ValueError: no model of drumvae, a damaged one, or another suffix of `out`.
    """
    from drumvae.creative import kept
    from drumvae.creative.loading import model_and_data
    from drumvae.humanize import load_humanizer, save_humanizer

    if out.suffix != ".safetensors":
        raise ValueError(f"--out {out} must end in .safetensors")
    path = source / "checkpoints" / "last.ckpt" if source.is_dir() else source
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}; give a run directory or a checkpoint")
    config = path.absolute().parent.parent / "config.yaml"
    if config.is_file() and OmegaConf.select(OmegaConf.load(config), "module") == "humanizer":
        save_humanizer(load_humanizer(path), out)
        return out
    vae, _, _ = kept.of_checkpoint(path)
    loaded = model_and_data(OmegaConf.create({"ckpt_path": str(path)}), data_named=False)
    kept.save(out, vae, loaded.model, loaded.styles, half)
    return out


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and write the file."""
    parser = argparse.ArgumentParser(
        prog="python -m drumvae.export",
        description="Write a run's model as one file that needs no run and no data.",
    )
    parser.add_argument("source", type=Path, metavar="RUN_OR_CHECKPOINT")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.safetensors")
    parser.add_argument("--half", action="store_true", help="networks in half precision")
    options = parser.parse_args(arguments)
    try:
        path = export(options.source, options.out, options.half)
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
    print(f"wrote {path} ({path.stat().st_size:,} bytes)")


if __name__ == "__main__":
    main()
