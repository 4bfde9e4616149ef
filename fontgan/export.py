"""A trained generator in one file that needs neither a run nor Lightning nor Hydra.

    python -m fontgan.export RUN_OR_CHECKPOINT --out DIR [--half] [--format safetensors,onnx,torch]

The safetensors file holds the weights that a run samples from (averaged, where it averages) and a
record of where they come from; `load_exported` reads it back. The two other forms are programs that
turn latents into pictures, for onnxruntime and for `torch.export.load`. What the latents are is in
the record: standard normal coordinates, then, where there are modes, a one-hot choice.
"""

import argparse
import copy
import importlib.util
import io
import json
import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import safetensors.torch
import torch

from callbacks.atomic import write_atomically
from conf.finished import newest_checkpoint
from fontgan.exported import LetterGenerator, Record, built, load_exported, of_network

__all__ = [
    "FORMS",
    "OPSET",
    "SHIPPED",
    "export",
    "load_exported",
    "load_generator",
    "of_checkpoint",
]

SHIPPED = Path(__file__).parent / "assets" / "generator.safetensors"
"""A generator for whoever has no run, in half precision."""

OPSET = 18
"""Of the ONNX operators: the exporter's own, read by onnxruntime from 1.14 on."""
_BATCH = {"z": {0: torch.export.Dim("batch")}}


def of_checkpoint(path: Path) -> tuple[Any, LetterGenerator]:
    """The generator of a run.

    Args:
        path: a checkpoint, or a run directory, whose last one is taken.

    Returns:
        The run's config, and what it samples from.

    Raises:
        FileNotFoundError: no such checkpoint.
        ValueError: it is broken, or no checkpoint of a GAN of letters.
    """
    # Here, not above: whoever reads an exported file needs neither Lightning nor Hydra.
    from omegaconf import OmegaConf

    from callbacks.run_summary import model_name
    from conf.checkpoints import restored
    from fontgan.gan import GAN

    path = path / "checkpoints" / "last.ckpt" if path.is_dir() else path
    cfg, module = restored(path)
    if not isinstance(module, GAN):
        raise ValueError(f"{path} is a checkpoint of {model_name(module)}, not of a GAN of letters")
    run = path.parent.parent
    summary = run / "summary.json"
    network = module.averaged if module.decay else module.generator
    width = module.latent(1).shape[1]
    modes = int(getattr(network, "modes", 0))
    record = Record(
        generator=cast(dict, OmegaConf.to_container(cfg[cfg.module].generator, resolve=True)),
        size=module.picture_shape[-1],
        channels=module.picture_shape[0],
        gaussian=width - modes,
        modes=modes,
        letters=hasattr(module, "alphabets"),
        model=model_name(module),
        source=f"{cfg.name}/{run.resolve().name}",
        seed=cfg.seed,
        batches=int(module.batches),
        data=json.loads(summary.read_text()).get("data") if summary.is_file() else None,
    )
    return cfg, of_network(network, record)


OUTPUTS = Path("outputs") / "fontgan"


def load_generator(path: Path | None = None, told: bool = False) -> tuple[Any, LetterGenerator]:
    """A generator of whatever there is.

    Args:
        path: an exported .safetensors file, a checkpoint or a run directory, or `shipped`; None for
            the newest finished run under outputs/fontgan, and where there is none the generator
            that ships.
        told: whether of those runs only one will do that is told which letter to draw.

    Returns:
        The config of its run (None of an exported one), and the generator.

    Raises:
        FileNotFoundError: nothing at `path`; or no run, and none ships.
        ValueError: it is broken, or no generator of letters.
    """

    def fits(config: Any) -> bool:
        trained = config["gan"]["_target_"] if config["module"] == "gan" else ""
        return trained.endswith(".ConditionalGAN") or (bool(trained) and not told)

    if path is None:
        path = newest_checkpoint(OUTPUTS, fits) or SHIPPED
    elif str(path) == "shipped":
        path = SHIPPED
    if path == SHIPPED and not path.is_file():
        raise FileNotFoundError(
            f"no finished run under {OUTPUTS}, and no generator ships with this version; train one "
            "with python -m fontgan.train, or name a checkpoint with ckpt_path=FILE"
        )
    exported = path.suffix in (".safetensors", ".onnx", ".pt2")
    return (None, load_exported(path)) if exported else of_checkpoint(path)


def as_safetensors(model: LetterGenerator, half: bool = False) -> bytes:
    """Weights and record; floats in half precision where asked for."""
    built(model.record.generator)
    state = {
        name: (tensor.half() if half and tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in model.network.state_dict().items()
    }
    return safetensors.torch.save(state, {"record": json.dumps(asdict(model.record))})


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what the exporter says of torchvision and of its own deprecated calls."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        log.setLevel(level)


def as_onnx(model: LetterGenerator) -> bytes:
    """An ONNX program `latents (batch, d) -> pictures`, its record in the metadata."""
    if missing := [m for m in ("onnx", "onnxscript") if importlib.util.find_spec(m) is None]:
        raise ValueError(
            f"ONNX needs {' and '.join(missing)}; pip install 'modekeeper[export]' brings them"
        )
    with _quietly():
        program = torch.onnx.export(
            model, (model.latent(2),), dynamo=True, opset_version=OPSET, verbose=False,
            input_names=["latents"], output_names=["pictures"], dynamic_shapes=_BATCH,
        )  # fmt: skip
    proto = cast(Any, program).model_proto
    proto.metadata_props.add(key="record", value=json.dumps(asdict(model.record)))
    return proto.SerializeToString()


def as_torch(model: LetterGenerator) -> bytes:
    """A torch.export program of the same signature, its record in the extra file `record.json`."""
    program = torch.export.export(model, (model.latent(2),), dynamic_shapes=_BATCH)
    buffer = io.BytesIO()
    extra = {"record.json": json.dumps(asdict(model.record))}
    torch.export.save(program, buffer, extra_files=extra)
    return buffer.getvalue()


FORMS: dict[str, tuple[str, Callable[[LetterGenerator], bytes]]] = {
    "safetensors": ("generator.safetensors", as_safetensors),
    "onnx": ("generator.onnx", as_onnx),
    "torch": ("generator.pt2", as_torch),
}


def export(model: LetterGenerator, out: Path, formats: list[str], half: bool = False) -> list[Path]:
    """Write a generator in some forms, each whole or not at all.

    Args:
        model: the generator; with `half` its weights are rounded, so that all forms agree.
        out: folder.
        formats: of `FORMS`.
        half: keep the weights in half precision; the programs compute in single precision.

    Raises:
        ValueError: an unknown form, or one that cannot be made of this generator.
    """
    if unknown := [name for name in formats if name not in FORMS]:
        raise ValueError(f"unknown format {', '.join(unknown)}; choose of {','.join(FORMS)}")
    # Strides of another order are no whole weights to torch.export.save.
    model = copy.deepcopy(model).to(memory_format=torch.contiguous_format)  # pyright: ignore
    if half:
        model.half().float()
    written = {
        FORMS[name][0]: as_safetensors(model, half)
        if name == "safetensors"
        else FORMS[name][1](model)
        for name in formats
    }
    for name, content in written.items():
        write_atomically(out / name, content)
    return [out / name for name in written]


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and write the files."""
    parser = argparse.ArgumentParser(
        prog="python -m fontgan.export",
        description="Write a run's generator as a file that needs no run.",
    )
    parser.add_argument("source", type=Path, metavar="RUN_OR_CHECKPOINT")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--half", action="store_true", help="weights in half precision")
    parser.add_argument(
        "--format", default="safetensors", help=f"of {','.join(FORMS)}, with commas (safetensors)"
    )
    options = parser.parse_args(arguments)
    try:
        _, model = of_checkpoint(options.source)
        for path in export(model, options.out, options.format.split(","), options.half):
            print(f"wrote {path} ({path.stat().st_size:,} bytes)")
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
