"""Network, training, checkpoints and sampling of the trained denoiser."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from bbb_core import rng
from bbb_core.diffusion import checkpoint
from bbb_core.diffusion.network import NetworkConfig, build_denoiser
from bbb_core.diffusion.process import ReverseProcess, require_noise
from bbb_core.diffusion.sampling import DenoiserProcess, generate
from bbb_core.diffusion.training import TrainingConfig, TrainingSet, noise_scheduler, train
from bbb_core.errors import InputError

NETWORK = NetworkConfig(embedding_dim=6, resolution=8, channels=(8, 16), groups=4)
TOKENS = NetworkConfig(
    embedding_dim=6, resolution=8, channels=(8, 16), groups=4, conditioning="tokens"
)


def data(tokens: int | None = None) -> TrainingSet:
    g = rng.torch_generator(0, "tiny data")
    shape = (3, 6) if tokens is None else (3, tokens, 6)
    return TrainingSet(
        images=torch.rand(4, 3, 8, 8, generator=g),
        conditions=torch.randn(shape, generator=g),
        pairs=torch.tensor([[0, 0], [1, 1], [2, 2], [3, 2]]),
        weights=torch.tensor([1.0, 1.0, 0.5, 0.5]),
    )


def weights(model):
    return torch.cat([p.flatten() for p in model.state_dict().values()])


def lively():
    """A denoiser whose (initially zero) projection listens to the prompt."""
    made = build_denoiser(NETWORK, seed=1).eval()
    noise = torch.randn(made.project.weight.shape, generator=rng.torch_generator(9))
    made.project.weight.data.copy_(noise)
    return made


@pytest.fixture(scope="module")
def model():
    return lively()


def test_building_leaves_the_global_stream_alone():
    before = torch.get_rng_state()
    a, b = build_denoiser(NETWORK, seed=1), build_denoiser(NETWORK, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(weights(a), weights(b))
    assert not torch.equal(weights(a), weights(build_denoiser(NETWORK, seed=2)))


def test_null_condition_projects_to_zero():
    model = lively()
    model.fit_conditions(torch.randn(5, 6, generator=rng.torch_generator(1)))
    assert torch.equal(model.embed(torch.zeros(2, 6)), torch.zeros(2, 32))
    assert (model.embed(torch.ones(2, 6)) != 0).any()


def test_directions_that_no_caption_uses_have_no_effect():
    model = lively()
    rows = torch.randn(3, 6, generator=rng.torch_generator(1))
    model.fit_conditions(rows)
    across = torch.linalg.svd(rows - rows.mean(0)).Vh[2:3]  # centred rows span two directions
    assert torch.allclose(model.embed(rows + 5 * across), model.embed(rows), atol=1e-4)
    before = model.embed(rows)
    model.widen_span(torch.cat([rows, rows + across]))
    assert torch.allclose(model.embed(rows), before, atol=1e-4)


def test_impossible_shapes_are_refused():
    with pytest.raises(InputError, match="resolution"):
        NetworkConfig(embedding_dim=6, resolution=10)
    with pytest.raises(InputError, match="channels"):
        NetworkConfig(embedding_dim=6, channels=(30, 64))
    with pytest.raises(InputError, match="weights"):
        TrainingSet(
            torch.ones(1, 3, 8, 8), torch.ones(1, 6), torch.tensor([[0, 0]]), torch.zeros(1)
        )


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_is_a_function_of_its_inputs_and_keeps_its_snapshots(precision):
    config = TrainingConfig(steps=6, batch=4, warmup=2, precision=precision)
    one = train(data(), NETWORK, config, device="cpu", snapshots=(6, 3))
    two = train(data(), NETWORK, config, device="cpu", snapshots=(3,))
    assert one.losses == two.losses
    assert torch.equal(weights(one.model), weights(two.model))
    assert list(one.snapshots) == [3, 6]
    kept, last = (torch.cat([p.flatten() for p in one.snapshots[k].values()]) for k in (3, 6))
    assert torch.equal(kept, torch.cat([p.flatten() for p in two.snapshots[3].values()]))
    assert torch.equal(last, weights(one.model))
    assert not torch.equal(kept, last)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"snapshots": (7,)}, "snapshots is 7; pass at most 6"),
        ({"start": build_denoiser(replace(NETWORK, layers=2))}, r"pass network=start\.config"),
    ],
)
def test_what_does_not_fit_a_run_is_named(options, said):
    with pytest.raises(InputError, match=said):
        train(data(), NETWORK, TrainingConfig(steps=6, batch=4), device="cpu", **options)


def test_training_learns():
    config = TrainingConfig(steps=150, batch=16, warmup=5, learning_rate=5e-3, precision="float32")
    run = train(data(), NETWORK, config, device="cpu")
    assert sum(run.losses[-20:]) < 0.8 * sum(run.losses[:20])


def test_tokens_condition_by_cross_attention():
    run = train(data(tokens=3), TOKENS, TrainingConfig(steps=2, batch=4), device="cpu")
    process = DenoiserProcess(run.model, steps=2)
    images = generate(process, data(tokens=3).conditions, 2)
    assert images.shape == (3, 2, 3, 8, 8)


def test_a_checkpoint_comes_back(tmp_path, model):
    checkpoint.save_model(tmp_path, model, about={"data": "none"})
    assert torch.equal(weights(checkpoint.load_model(tmp_path)), weights(model))
    _, said = checkpoint.read_tensors(tmp_path / "model.safetensors")
    assert said["about"] == {"data": "none"}
    assert said["parameters"] == model.size
    with open(tmp_path / "model.safetensors", "ab") as handle:
        handle.write(b"x")
    with pytest.raises(InputError, match="no whole safetensors file"):
        checkpoint.load_model(tmp_path)


def test_means_and_noise_are_those_of_the_scheduler(model):
    """Against diffusers' own step, with its noise removed and measured."""
    process = DenoiserProcess(model, steps=7, variance="scheduler")
    assert isinstance(process, ReverseProcess)
    scheduler = noise_scheduler()
    scheduler.set_timesteps(7)
    c = torch.randn(2, 6, generator=rng.torch_generator(2))
    x = torch.randn(2, 3, 8, 8, generator=rng.torch_generator(3))
    for step in (7, 4, 1):
        t = scheduler.timesteps[7 - step]
        with torch.no_grad():
            v = model(x, t.expand(2), c)
        g = torch.Generator().manual_seed(0)
        theirs = scheduler.step(v, t, x, generator=g).prev_sample
        z = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
        ours = process.mean(x.double(), step, c) + process.sigmas[step - 1] * z
        assert torch.allclose(ours.float(), theirs, atol=2e-5)


def test_the_certified_variant_keeps_noise_in_every_step(model):
    require_noise(DenoiserProcess(model, steps=5))
    with pytest.raises(InputError, match="sigma_1"):
        require_noise(DenoiserProcess(model, steps=5, variance="scheduler"))


def test_a_sample_does_not_depend_on_its_batch(model):
    process = DenoiserProcess(model, steps=3)
    c = torch.randn(3, 6, generator=rng.torch_generator(4))
    together = generate(process, c, 4)
    apart = generate(process, c[1:2], 2, streams=[1], batch=1)
    assert torch.allclose(together[1:2, :2], apart, atol=1e-5)
    shared = generate(process, c[[0, 0]], 2, streams=["a", "a"])
    assert torch.allclose(shared[0], shared[1], atol=1e-6)


def test_guidance_mixes_prompt_and_null(model):
    c = torch.randn(2, 6, generator=rng.torch_generator(5))
    x = torch.randn(2, 3, 8, 8, generator=rng.torch_generator(6)).double()
    plain = DenoiserProcess(model, steps=3)
    prompt, null = plain.output(x, 2, c), plain.output(x, 2, torch.zeros(6))
    guided = DenoiserProcess(model, steps=3, guidance=2.5).output(x, 2, c)
    assert torch.allclose(guided, null + 2.5 * (prompt - null), atol=1e-5)


def test_switch_replaces_the_prompt_in_the_last_steps(model):
    process = DenoiserProcess(model, steps=4)
    c = torch.randn(2, 6, generator=rng.torch_generator(7))
    whole = generate(process, c[1:], 2, streams=["s"])
    assert not torch.allclose(whole, generate(process, c[:1], 2, streams=["s"]), atol=1e-3)
    switched = generate(process, c[:1], 2, streams=["s"], switch=(4, c[1]))
    assert torch.allclose(whole, switched, atol=1e-6)
