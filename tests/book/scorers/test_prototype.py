"""Prototypes: a caption is the mean of its pictures, so it leans where its pictures lean."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bbb_book.scorers.prototype import fit_prototypes
from bbb_core.errors import InputError


def world(share):
    """Return batches of red and blue pictures; "either" goes with red in the given share."""

    def batch(generator):
        u, noise = (
            torch.rand(1, generator=generator),
            torch.rand((3, 3, 16, 16), generator=generator),
        )
        base = torch.zeros(3, 3, 1, 1)
        base[0, 0], base[1, 2] = 1, 1
        base[2, 0 if u < share else 2] = 1
        return 0.8 * base + 0.2 * noise, ["red", "blue", "either"]

    return batch


@pytest.mark.parametrize(("share", "sign"), [(0.9, 1), (0.1, -1)])
def test_a_neutral_caption_leans_as_its_pictures(share, sign):
    encoder = fit_prototypes(world(share), count=60, generator=torch.Generator().manual_seed(1))
    red, blue, either = encoder.encode_text(["red", "blue", "either"]).double()
    assert sign * float(either @ (red - blue)) > 0.5
    images, _ = world(share)(torch.Generator().manual_seed(2))
    v = encoder.encode_image(images)
    texts = encoder.encode_text(["red", "blue"])
    assert (v[:2] @ texts.T).argmax(1).tolist() == [0, 1]
    assert torch.allclose(v.norm(dim=1), torch.ones(3), atol=1e-5)
    larger = encoder.encode_image(images.repeat_interleave(2, 2).repeat_interleave(2, 3))
    assert torch.allclose(larger, v, atol=1e-5)


def test_prototype_is_the_whitened_mean_of_its_pictures():
    seen = []
    source = world(0.5)

    def batch(generator):
        seen.append(source(generator))
        return seen[-1]

    encoder = fit_prototypes(batch, count=10, generator=torch.Generator().manual_seed(3))
    red = torch.stack([images[0] for images, _ in seen])
    raw = (red.double().flatten(1).numpy() - encoder._centre) @ encoder._whitening
    mean = raw.mean(axis=0)
    found = encoder.encode_text(["red"])[0].double().numpy()
    assert np.allclose(found, mean / np.linalg.norm(mean), atol=1e-5)


def test_bad_input_is_named():
    encoder = fit_prototypes(world(0.5), count=5, generator=torch.Generator().manual_seed(0))
    with pytest.raises(InputError, match="came with no picture"):
        encoder.encode_text(["green"])
    with pytest.raises(InputError, match="images has shape"):
        encoder.encode_image(torch.zeros(1, 3, 8, 8))
