"""A model with its styles as one file, without a run around it: safetensors, no code in it."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialized
from torch import Tensor

from callbacks.atomic import write_atomically
from drumvae.creative.mixtures import Mixture
from drumvae.creative.styles import Styles
from drumvae.creative.trained import Trained
from drumvae.grooves import Kit

VERSION = 1
_TABLES = (
    *("posteriors", "probe", "densities", "syncopations", "readings"),
    *("velocities", "offsets", "tempos", "temperature"),
)


def save(
    path: Path, config: dict[str, Any], model: Trained, styles: Styles, half: bool = False
) -> None:
    """Write a model and its styles, whole or not at all.

    Args:
        path: a .safetensors file.
        config: the `vae` node that the model was built from, plain containers.
        model: its networks.
        styles: what it knows of each style.
        half: keep the networks' weights in half precision; they are read back in single.
    """
    tensors = {
        f"networks.{name}": (t.half() if half and t.is_floating_point() else t).contiguous()
        for name, t in model.state_dict().items()
    }
    tensors |= {f"styles.{name}": getattr(styles, name).contiguous() for name in _TABLES}
    for number, mixture in enumerate(styles.mixtures):
        for name in ("weights", "means", "factors"):
            tensors[f"mixtures.{number}.{name}"] = getattr(mixture, name).contiguous()
    records = {
        "version": VERSION, "vae": config, "names": styles.names, "voices": styles.kit.voices,
    }  # fmt: skip
    # Not written by safetensors itself, which leaves half a file where it is stopped.
    write_atomically(path, serialized(tensors, {"modekeeper": json.dumps(records)}))


def load(path: Path) -> tuple[Trained, Styles]:
    """Read what `save` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it is damaged, of another version, or no such file at all.
    """
    if not path.is_file():
        raise FileNotFoundError(f"no model at {path}")
    try:
        with safe_open(path, "pt") as file:
            records = json.loads((file.metadata() or {})["modekeeper"])
            tensors: dict[str, Tensor] = {name: file.get_tensor(name) for name in file.keys()}
        if records["version"] != VERSION:
            raise ValueError(f"of version {records['version']}, not {VERSION}")
        model = Trained(records["vae"])
        start = "networks."
        model.load_state_dict(
            {n[len(start) :]: t for n, t in tensors.items() if n.startswith(start)}
        )
        mixtures = tuple(
            Mixture(*(tensors[f"mixtures.{i}.{n}"] for n in ("weights", "means", "factors")))
            for i in range(len(records["names"]))
        )
        tables = {name: tensors[f"styles.{name}"] for name in _TABLES}
        styles = Styles(tuple(records["names"]), Kit(tuple(records["voices"])), mixtures, **tables)
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise ValueError(
            f"{path} is no model with its styles, or a damaged one ({error!r})"
        ) from error
    return model, styles


def of_checkpoint(path: Path) -> tuple[dict[str, Any], Trained, dict[str, Any]]:
    """The model of a run's checkpoint, built by the config beside it.

    Args:
        path: RUN/checkpoints/NAME.ckpt.

    Returns:
        The `vae` node, the model, and the whole config, plain containers.

    Raises:
        FileNotFoundError: no checkpoint, or no config.yaml of its run.
        ValueError: it is broken, or of another kind of model.
    """
    from omegaconf import OmegaConf

    from drumvae.creative.trained import averaged

    if not path.is_file():
        raise FileNotFoundError(
            f"no checkpoint at {path}; ckpt_path= wants a file such as RUN/checkpoints/last.ckpt"
        )
    config_path = path.absolute().parent.parent / "config.yaml"
    if not config_path.is_file():
        raise FileNotFoundError(
            f"no config.yaml at {config_path}: {path} must lie where its run has left it, in "
            "RUN/checkpoints, with the run's config beside that folder"
        )
    config: Any = OmegaConf.to_container(OmegaConf.load(config_path), resolve=True)
    if not isinstance(config, dict) or "vae" not in config:
        raise ValueError(f"{config_path} is no config of a drumvae run: it names no `vae`")
    model = Trained(config["vae"])
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        model.load_state_dict(averaged(state))
    except Exception as error:  # torch raises RuntimeError, EOFError, UnpicklingError or KeyError
        raise ValueError(
            f"{path} cannot be read as a checkpoint of the model in {config_path} "
            f"({type(error).__name__}); name another file of the same folder"
        ) from error
    return config["vae"], model, config
