"""Can this checkpoint go on in this run? Asked before anything in a run directory is touched."""

from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from lightning import LightningModule
from omegaconf import DictConfig, OmegaConf

from callbacks.run_summary import model_name
from conf.finished import newest_checkpoint

FULL_STATE = ("state_dict", "optimizer_states", "loops", "epoch")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint on the CPU, with plain containers and tensors only.

    Args:
        path: a file that a `ModelCheckpoint` wrote.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is cut short, or no checkpoint of a run at all.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"no checkpoint at {path}; ckpt_path= wants a file such as RUN/checkpoints/last.ckpt"
        )
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # torch raises RuntimeError, EOFError, UnpicklingError or KeyError, by where the cut falls.
        raise ValueError(
            f"{path} cannot be read as a checkpoint: it is cut short or of another kind "
            f"({type(error).__name__}); resume from another file of the same folder"
        ) from error
    if missing := [key for key in FULL_STATE if key not in checkpoint]:
        raise ValueError(
            f"{path} holds no {', '.join(missing)}: it is no full checkpoint of a run, and "
            "training cannot go on from it"
        )
    return checkpoint


def check_checkpoint(path: Path, module: LightningModule, max_epochs: int | None) -> None:
    """Refuse a checkpoint that cannot continue this run.

    Args:
        path: the checkpoint.
        module: the model that the config describes.
        max_epochs: how many epochs the run shall have; None or -1 for no limit.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is broken, of another model, or further on than the run is to go.
    """
    checkpoint = read_checkpoint(path)
    built = model_name(module)
    if (saved := checkpoint.get("module", built)) != built:
        raise ValueError(
            f"{path} is a checkpoint of {saved}, and the config describes {built}; "
            "repeat the arguments of the run it came from"
        )
    if difference := _first_difference(checkpoint["state_dict"], module.state_dict()):
        raise ValueError(
            f"{path} is a checkpoint of another model: {difference}; "
            "repeat the arguments of the run it came from"
        )
    done = checkpoint["epoch"] + 1
    if max_epochs is not None and -1 < max_epochs < done:
        raise ValueError(
            f"{path} is {done} epochs old and trainer.max_epochs={max_epochs}; "
            f"raise it above {done} to go on"
        )


def _first_difference(saved: dict[str, Any], built: dict[str, Any]) -> str | None:
    for name in sorted(saved.keys() | built.keys()):
        if name not in built:
            return f"it holds {name}, which this model lacks"
        if name not in saved:
            return f"it lacks {name}"
        mine, theirs = getattr(built[name], "shape", None), getattr(saved[name], "shape", None)
        if mine != theirs:
            return f"{name} is {tuple(theirs or ())} there and {tuple(mine or ())} here"
    return None


def newest_run(app: str, module: str, outputs: Path = Path("outputs")) -> Path:
    """The last checkpoint of the newest finished run of a domain.

    Args:
        app: the domain, "fontgan" or "drumvae".
        module: what was trained, by its key in the config, such as "gan" or "vae".
        outputs: where the runs are.

    Raises:
        FileNotFoundError: there is none.
    """
    found = newest_checkpoint(outputs / app, lambda config: config["module"] == module)
    if found is None:
        raise FileNotFoundError(
            f"no finished run of a {module} under {outputs / app}; train one with "
            f"python -m {app}.train, or name a checkpoint with ckpt_path=FILE"
        )
    return found


def restored(path: Path) -> tuple[DictConfig, LightningModule]:
    """The trained model of a checkpoint, built by the config of its run.

    Args:
        path: RUN/checkpoints/NAME.ckpt.

    Returns:
        The run's config, and its model on the CPU, in eval mode.

    Raises:
        FileNotFoundError: no checkpoint, or no config.yaml of the run that it belongs to.
        ValueError: it is broken, or of another model than the config describes.
    """
    checkpoint = read_checkpoint(path)
    config = path.parent.parent / "config.yaml"
    if not config.is_file():
        raise FileNotFoundError(
            f"no config.yaml at {config}: {path} must lie where its run has left it, in "
            "RUN/checkpoints, with the run's config beside that folder"
        )
    cfg = OmegaConf.load(config)
    if not isinstance(cfg, DictConfig) or "module" not in cfg:
        raise ValueError(f"{config} is no config of a run: it names no `module`")
    module = instantiate(cfg[cfg.module], _convert_="all")
    if difference := _first_difference(checkpoint["state_dict"], module.state_dict()):
        raise ValueError(f"{path} does not fit {config}: {difference}")
    module.load_state_dict(checkpoint["state_dict"])
    return cfg, module.eval()


def random_state() -> dict[str, Any]:
    """Torch's random states, on the CPU and on every GPU, as a checkpoint can hold them."""
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"torch": torch.get_rng_state(), "cuda": cuda}


def restore_random_state(state: dict[str, Any] | None) -> None:
    """Go on from what `random_state` gave; nothing where a checkpoint holds none.

    To be called when a checkpoint is loaded, not at the start of training: the loader draws a
    number before that.
    """
    if state is None:
        return
    torch.set_rng_state(state["torch"].cpu())
    if torch.cuda.is_available() and state["cuda"]:
        torch.cuda.set_rng_state_all([s.cpu() for s in state["cuda"]])
