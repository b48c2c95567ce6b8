"""Any diffusers pipeline with prompt embeddings gets the certificate and the samplers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from bbb_core import rng
from bbb_core.diffusion import PipelineProcess, certificate, generate
from bbb_core.errors import InputError


@pytest.fixture(scope="module")
def pipeline():
    """Tiny random components of a latent text-to-image pipeline."""
    from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = UNet2DConditionModel(
            sample_size=8,
            in_channels=4,
            out_channels=4,
            layers_per_block=1,
            block_out_channels=(8, 16),
            norm_num_groups=4,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=12,
            attention_head_dim=4,
        )
        vae = AutoencoderKL(
            block_out_channels=(8,),
            norm_num_groups=4,
            down_block_types=("DownEncoderBlock2D",),
            up_block_types=("UpDecoderBlock2D",),
        )
    scheduler = DDPMScheduler(beta_schedule="scaled_linear", clip_sample=False)
    return SimpleNamespace(unet=unet, scheduler=scheduler, vae=vae.eval())


@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_any_pipeline_gets_a_certificate(pipeline, guidance):
    g = rng.torch_generator(2)
    prompts = torch.randn(2, 5, 12, generator=g)
    process = PipelineProcess(pipeline, null=torch.zeros(5, 12), steps=4, guidance=guidance)
    made = certificate(process, prompts[0], prompts[1], n=20, seed=0)
    assert made.forward.value > 0
    assert 0 < made.tv <= made.tv_bound <= 1
    x = process.initial(2, generators=[g, g])
    assert process.decode(process.mean(x, 1, prompts[0])).shape == (2, 3, 8, 8)
    images = generate(process, prompts, 2)
    assert images.shape == (2, 2, 3, 8, 8)
    assert images.min() >= 0
    assert images.max() <= 1


def test_pipelines_without_parts_are_refused():
    with pytest.raises(InputError, match="unet"):
        PipelineProcess(SimpleNamespace(scheduler=None), null=torch.zeros(1, 1))
