import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from fontgan import export as exporting
from fontgan.export import export, load_exported, load_generator, main, of_checkpoint
from fontgan.exported import AlphabetGenerator, LetterGenerator, Record, of_network
from fontgan.gan import GAN
from fontgan.networks import Generator, ReportGenerator

ADAM = {"_target_": "torch.optim.Adam", "_partial_": True, "lr": 1e-3}
DOCUMENTED = Path(__file__).parents[2] / "docs" / "letters.md"


def record(network: torch.nn.Module, **more) -> Record:
    target = f"fontgan.networks.{type(network).__name__}"
    arguments = {"dimensions": 5, "modes": 26, "width": 8} if "modes" in vars(network) else {
        "dimensions": 5}  # fmt: skip
    modes = arguments.get("modes", 0)
    return Record({"_target_": target, **arguments}, 28, 1, 5, modes, **more)


@pytest.fixture(scope="module")
def conditional() -> LetterGenerator:
    torch.manual_seed(0)
    network = Generator(dimensions=5, modes=26, width=8)
    source = {"source": "conditional/x", "seed": 4, "batches": 7, "data": "25bdde0ce72b"}
    return of_network(network, record(network, letters=True, model="a.b.C", **source))


@pytest.fixture(scope="module")
def report() -> LetterGenerator:
    """With batch norm, whose running means are no longer what they were."""
    torch.manual_seed(1)
    network = ReportGenerator(dimensions=5)
    with torch.no_grad():
        network(torch.randn(40, 5))
    return of_network(network, record(network))


@pytest.fixture
def latents(conditional: LetterGenerator) -> Tensor:
    return conditional.latent(6, torch.Generator().manual_seed(0))


def test_weights_and_record_come_back(
    conditional: LetterGenerator, latents: Tensor, tmp_path: Path
):
    (path,) = export(conditional, tmp_path, ["safetensors"])
    loaded = load_exported(path)
    assert torch.equal(loaded.decode(latents), conditional.decode(latents))
    assert loaded.record == conditional.record and isinstance(loaded, AlphabetGenerator)
    assert torch.equal(loaded.latent(6, torch.Generator().manual_seed(0)), latents)


def test_half_precision_is_half_as_large_and_rounds_the_weights_alone(
    report: LetterGenerator, tmp_path: Path
):
    (whole,) = export(report, tmp_path / "whole", ["safetensors"])
    (half,) = export(report, tmp_path / "half", ["safetensors"], half=True)
    assert half.stat().st_size < 0.51 * whole.stat().st_size
    loaded, exact = load_exported(half).network.state_dict(), report.network.state_dict()
    assert all(torch.equal(loaded[n], v.half().float() if v.is_floating_point() else v)
               for n, v in exact.items())  # fmt: skip
    assert {v.dtype for v in loaded.values()} == {torch.float32, torch.int64}


def test_the_torch_program_agrees(report: LetterGenerator, tmp_path: Path):
    (path,) = export(report, tmp_path, ["torch"])
    extra = {"record.json": ""}
    program = torch.export.load(path, extra_files=extra).module()
    z = report.latent(9)
    assert torch.allclose(program(z), report.decode(z), rtol=0, atol=1e-5)
    assert Record(**json.loads(extra["record.json"])) == report.record


def test_the_onnx_program_agrees_also_in_half_precision(
    conditional: LetterGenerator, latents: Tensor, tmp_path: Path
):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is an optional extra")
    pytest.importorskip("onnxscript", reason="onnxscript is an optional extra")
    path, weights = export(conditional, tmp_path, ["onnx", "safetensors"], half=True)
    session = runtime.InferenceSession(str(path))
    for z in (latents, latents[:1]):
        pictures = torch.from_numpy(session.run(["pictures"], {"latents": z.numpy()})[0])
        assert torch.allclose(pictures, load_exported(weights).decode(z), rtol=0, atol=1e-5)
    stored = session.get_modelmeta().custom_metadata_map["record"]
    assert Record(**json.loads(stored)) == conditional.record


def test_one_style_code_draws_all_letters(conditional: LetterGenerator):
    assert isinstance(conditional, AlphabetGenerator)
    styles = conditional.styles(2, torch.Generator().manual_seed(0))
    images = conditional.alphabets(styles)
    assert images.shape == (2, 26, 1, 28, 28)
    q = torch.zeros(1, 26)
    q[0, 16] = 1
    alone = conditional.decode(torch.cat([styles[1:], q], 1))
    assert torch.allclose(images[1, 16], alone[0], rtol=0, atol=1e-6)


@pytest.fixture(scope="module", params=[0.0, 0.9])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """A run directory as training leaves it, with and without a moving average, and its model."""
    folder = tmp_path_factory.mktemp("run")
    gan = {
        "_target_": "fontgan.gan.GAN",
        "generator": {"_target_": "fontgan.networks.Generator", "dimensions": 3, "modes": 2,
                      "width": 8},
        "discriminator": {"_target_": "fontgan.networks.Discriminator", "width": 4},
        "generator_optimizer": ADAM, "discriminator_optimizer": ADAM, "average": request.param,
    }  # fmt: skip
    cfg = OmegaConf.create(
        {"app": "fontgan", "module": "gan", "name": "toy", "seed": 3, "gan": gan}
    )
    OmegaConf.save(cfg, folder / "config.yaml")
    from hydra.utils import instantiate

    module = instantiate(cfg.gan, _convert_="all")
    assert isinstance(module, GAN)
    with torch.no_grad():
        for weight in module.averaged.parameters():
            weight.mul_(0.5)
    module.batches += 12
    (folder / "checkpoints").mkdir()
    state = {"state_dict": module.state_dict(), "optimizer_states": [], "loops": {}, "epoch": 0}
    torch.save(state, folder / "checkpoints" / "last.ckpt")
    (folder / "summary.json").write_text(json.dumps({"data": "abc", "status": "finished"}))
    return folder, module.eval()


def test_a_run_gives_what_it_samples_from(run, tmp_path: Path):
    folder, module = run
    cfg, model = of_checkpoint(folder)
    z = module.latent(5)
    assert torch.allclose(model.decode(z), module.decode(z), rtol=0, atol=1e-6)
    same = model.sample(4, torch.Generator().manual_seed(2))
    assert torch.allclose(same, module.sample(4, torch.Generator().manual_seed(2)), atol=1e-6)
    known = model.record
    assert (known.gaussian, known.modes, known.letters, known.seed) == (3, 2, False, 3)
    assert (known.batches, known.data, known.source) == (12, "abc", f"toy/{folder.name}")
    assert known.model == "fontgan.gan.GAN" and cfg.name == "toy"
    main([str(folder), "--out", str(tmp_path)])
    again = load_generator(tmp_path / "generator.safetensors")[1]
    assert torch.allclose(again.decode(z), module.decode(z), rtol=0, atol=1e-6)


def test_a_checkpoint_of_another_domain_is_refused(
    tmp_path: Path,
):
    (tmp_path / "checkpoints").mkdir()
    linear = {"_target_": "torch.nn.Linear", "in_features": 1, "out_features": 1}
    OmegaConf.save({"module": "vae", "vae": linear}, tmp_path / "config.yaml")
    state = {"state_dict": torch.nn.Linear(1, 1).state_dict()}
    state |= {"optimizer_states": [], "loops": {}, "epoch": 0}
    torch.save(state, tmp_path / "checkpoints" / "last.ckpt")
    with pytest.raises(SystemExit, match=r"is a checkpoint of torch.nn.* not of a GAN of letters"):
        main([str(tmp_path), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_an_unknown_form_is_refused_before_anything_is_written(
    conditional: LetterGenerator, tmp_path: Path
):
    with pytest.raises(ValueError, match="unknown format pickle; choose of safetensors,onnx,torch"):
        export(conditional, tmp_path / "out", ["safetensors", "pickle"])
    assert not (tmp_path / "out").exists()


def test_what_is_no_exported_generator_is_refused(conditional: LetterGenerator, tmp_path: Path):
    (path,) = export(conditional, tmp_path, ["safetensors"])
    content = path.read_bytes()
    for broken in (content[:1000], content[:-4], b"", b"no file of weights"):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="does not hold an exported generator"):
            load_exported(path)
    save_file({"weight": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="does not hold an exported generator"):
        load_exported(path)
    with pytest.raises(FileNotFoundError, match=r"fontgan\.export RUN writes one"):
        load_exported(tmp_path / "none.safetensors")
    (tmp_path / "a.onnx").write_bytes(b"")
    with pytest.raises(ValueError, match=r"run it with onnxruntime.InferenceSession"):
        load_generator(tmp_path / "a.onnx")


@pytest.mark.parametrize("target", ["os.system", "fontgan.networks.evaluating", "torch.nn.Linear"])
def test_a_file_may_not_choose_what_is_run(
    target: str, conditional: LetterGenerator, tmp_path: Path
):
    (path,) = export(conditional, tmp_path, ["safetensors"])
    with safe_open(path, "pt") as file:
        stored, state = json.loads(file.metadata()["record"]), conditional.network.state_dict()
    stored["generator"] = {"_target_": target}
    save_file({k: v.contiguous() for k, v in state.items()}, path, {"record": json.dumps(stored)})
    with pytest.raises(ValueError, match=r"is no generator of fontgan\.networks"):
        load_exported(path)


def test_without_a_run_it_is_the_one_that_ships(
    conditional: LetterGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(exporting, "SHIPPED", tmp_path / "ship" / "generator.safetensors")
    with pytest.raises(FileNotFoundError, match="no finished run under outputs/fontgan"):
        load_generator()
    export(conditional, tmp_path / "ship", ["safetensors"])
    for path in (None, Path("shipped")):
        cfg, model = load_generator(path)
        assert cfg is None and model.record == conditional.record


def test_an_alphabet_passes_over_a_run_that_is_not_told_the_letter(
    conditional: LetterGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(exporting, "SHIPPED", tmp_path / "ship" / "generator.safetensors")
    export(conditional, tmp_path / "ship", ["safetensors"])
    run = tmp_path / "outputs/fontgan/fixed/1"
    (run / "checkpoints").mkdir(parents=True)
    (run / "checkpoints/last.ckpt").touch()
    (run / "config.yaml").write_text("module: gan\ngan: {_target_: fontgan.variants.FixedGAN}\n")
    (run / "summary.json").write_text('{"status": "finished"}')
    assert load_generator(told=True)[1].record == conditional.record
    with pytest.raises(ValueError, match=r"last\.ckpt"):  # it is taken, and found to be empty
        load_generator()


def test_sampling_from_a_file_needs_neither_lightning_nor_hydra(
    conditional: LetterGenerator, tmp_path: Path
):
    """The snippet of docs/letters.md, as it stands there."""
    snippet = DOCUMENTED.read_text().partition("```python\n")[2].partition("```")[0]
    export(conditional, tmp_path, ["safetensors"])
    check = """
assert images.shape == (8, 1, 28, 28) and 0 <= images.min() < images.max() <= 1
import sys
print([name for name in ("lightning", "hydra", "wandb", "matplotlib") if name in sys.modules])
"""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", snippet + check],
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "[]"
