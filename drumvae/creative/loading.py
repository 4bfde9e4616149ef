"""Which model makes the grooves, and what it knows of the styles: found, read and kept."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from platformdirs import user_cache_path

from conf.finished import newest_checkpoint
from drumvae.bars import Bars
from drumvae.creative import kept
from drumvae.creative.styles import Styles
from drumvae.creative.trained import MODEL, Trained

SHIPPED = Path(__file__).parents[1] / "assets" / "groove.safetensors"
OUTPUTS = Path("outputs/drumvae")


@dataclass(frozen=True)
class Loaded:
    """A model that can make grooves.

    Attributes:
        model: its networks.
        styles: what it knows of each style.
        path: where it came from.
        config: of the run's data, or of those that the user names; None for a file without a run.
    """

    model: Trained
    styles: Styles
    path: Path
    config: Any

    def data(self) -> tuple[dict[str, Bars], str]:
        """The splits of the data it was trained on, and their fingerprint.

        Raises:
            ValueError: nobody knows what these are.
        """
        if self.config is None:
            raise ValueError(
                f"{self.path} does not say what it was trained on; name it with data=CHOICE, as in "
                "data=groove"
            )
        data = instantiated(self.config)
        splits = ("train", "validate", "test")
        return {split: data.reference(split) for split in splits}, data.fingerprint


def model_and_data(cfg: DictConfig, data_named: bool) -> Loaded:
    """The model that a config names: a checkpoint, the newest finished run, or the shipped one.

    What a run's model knows of each style is learnt from its data once, and kept in the user's
    cache folder under the digest of the checkpoint; from then on it is there in a moment.

    Args:
        cfg: with `ckpt_path` and `data`.
        data_named: whether the user has named the data: they take the place of the run's.

    Raises:
        FileNotFoundError: no such checkpoint, or no run and no shipped model.
        ValueError: it is broken, or of another kind of model.
    """
    path = Path(str(cfg.ckpt_path)).expanduser() if cfg.ckpt_path else newest(MODEL) or SHIPPED
    path = SHIPPED if str(path) == "shipped" else path
    named: Any = OmegaConf.to_container(cfg.data, resolve=True) if data_named else None
    if path == SHIPPED and not path.is_file():
        raise FileNotFoundError(
            f"no finished run of a groove model under {OUTPUTS}, and no model is shipped at "
            f"{path}; train one with python -m drumvae.train +experiment=groove, or name a "
            "checkpoint with ckpt_path=RUN/checkpoints/last.ckpt"
        )
    if path.suffix == ".safetensors":
        return Loaded(*kept.load(path), path, named)
    vae, model, config = kept.of_checkpoint(path)
    data = named or config["data"]
    digest = hashlib.sha256(path.read_bytes())
    digest.update(f"{kept.VERSION} {data}".encode())
    cache = user_cache_path("modekeeper") / "styles" / f"{digest.hexdigest()[:16]}.safetensors"
    try:
        styles = kept.load(cache)[1]
    except (FileNotFoundError, ValueError):
        try:
            styles = _learnt(model, data)
        except ValueError as error:
            if cfg.ckpt_path:
                raise
            raise ValueError(
                f"{error}. That is the newest run, {path}; name another with ckpt_path=FILE, or "
                "the model that ships with ckpt_path=shipped"
            ) from error
        kept.save(cache, vae, model, styles)
    return Loaded(model, styles, path, data)


def newest(module: str) -> Path | None:
    """The last checkpoint of the newest finished run of a kind of model; None where there is none.

    Args:
        module: the `_target_` of the model, as in `drumvae.vae.HierarchicalVAE`.
    """
    return newest_checkpoint(OUTPUTS, lambda config: config[config["module"]]["_target_"] == module)


def instantiated(config: Any) -> Any:
    """The datamodule of a config.

    Raises:
        ValueError: the config names what this version no longer has.
    """
    from hydra.errors import InstantiationException
    from hydra.utils import instantiate

    # What reading the data has left out was said when the model was trained.
    for part in ("pytorch", "fabric"):
        logging.getLogger(f"lightning.{part}.utilities.rank_zero").setLevel(logging.WARNING)
    try:
        return instantiate(config)
    except InstantiationException as error:
        cause = error.__cause__ or error
        if not isinstance(cause, ImportError | AttributeError):
            raise
        raise ValueError(
            f"the run's data {config.get('_target_')!r} are not found ({cause}); name them with "
            "data=CHOICE, as in data=recipes"
        ) from error


def _learnt(model: Trained, config: Any) -> Styles:
    from drumvae.creative.style_fit import fit_styles

    data = instantiated(config)
    train = data.reference("train")
    if train.hits.shape[1:] != (model.steps, len(model.voices)):
        raise ValueError(
            f"the data have bars of {train.hits.shape[1]} steps and {train.hits.shape[2]} voices, "
            f"the model plays {model.steps} and {len(model.voices)}; name the data that it was "
            "trained on with data=CHOICE"
        )
    return fit_styles(model, train, data.reference("validate"))
