"""What each peer and this library compute from the same inputs, and how results are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from test_sampling_speed import BATCH, STEPS, certified_loop, diffusers_loop, in_turns

from bbb_core import alignment, rng
from bbb_core.diffusion.network import NetworkConfig, build_denoiser
from bbb_core.diffusion.process import reverse_states
from bbb_core.diffusion.sampling import DenoiserProcess
from bbb_core.diffusion.training import noise_scheduler
from bbb_core.embedding import association_test, load_encoder

REPEATS = 3
Arrays = dict[str, Any]
Row = tuple[str, float, float]
"""A quantity, what is ours, what is theirs."""


@dataclass(frozen=True)
class Peer:
    """A tool, what both compute, and how the results are held against each other.

    Parameters
    ----------
    name, version
        Of the package.
    inputs
        Returns the arrays that both get.
    ours
        From the inputs to our result; this is timed.
    rows
        From inputs, our result and theirs to `Row` s.
    needs
        Packages that it does not ask for itself.
    borrows
        Whether its environment sees the packages of this one, for the large ones among them.
    """

    name: str
    version: str
    inputs: Callable[[], Arrays]
    ours: Callable[[Arrays], Any]
    rows: Callable[[Arrays, Any, Arrays], list[Row]]
    needs: tuple[str, ...] = ()
    borrows: bool = False


QUERIES = (
    ("career and family",
     "executive management professional corporation salary office business career",
     "home parents children family cousins marriage wedding relatives",
     "male man boy brother he him his son", "female woman girl sister she her hers daughter"),
    ("mathematics and arts",
     "math algebra geometry calculus equations computation numbers addition",
     "poetry art dance literature novel symphony drama sculpture",
     "male man boy brother he him his son", "female woman girl sister she her hers daughter"),
)  # fmt: skip
"""Word sets of Caliskan and others (2017) with male and female terms, their tests 6 and 7."""


def words() -> Arrays:
    sets = [[text.split() for text in texts] for _, *texts in QUERIES]
    known = sorted({word for query in sets for one in query for word in one})
    rows = load_encoder("glove").encode_text(known).numpy()
    return {"words": np.array(known), "vectors": rows, "queries": np.array(sets)}


def association(given: Arrays) -> Any:
    place = {word: i for i, word in enumerate(given["words"])}
    rows = torch.from_numpy(given["vectors"])
    return [
        association_test(
            *(rows[[place[word] for word in one]] for one in query), alternative="greater"
        )
        for query in given["queries"]
    ]


def associations(given: Arrays, ours: Any, theirs: Arrays) -> list[Row]:
    n = given["queries"].shape[2] * 2
    return [
        row
        for i, (name, *_) in enumerate(QUERIES)
        for row in (
            (f"WEAT of {name}: effect size with √({n}/{n - 1})",
             ours[i].effect_size * np.sqrt(n / (n - 1)), theirs["effect_size"][i]),
            (f"WEAT of {name}: p-value", ours[i].p_value, theirs["p_value"][i]),
        )
    ]  # fmt: skip


def scored(n: int, stream: str) -> Arrays:
    """Return scores with errors of groups, the true probabilities, and labels drawn with them."""
    draw = rng.generator(0, "peers", stream)
    g, t = draw.integers(0, 4, n), draw.integers(0, 5, n)
    truth = draw.beta(2, 2, n)
    bias = 0.1 * (g == 1) - 0.1 * ((t == 2) & (g == 0))
    scores = np.clip(truth + 0.1 * draw.standard_normal(n) - bias, 0.001, 0.999)
    labels = (draw.random(n) < truth).astype(np.int64)
    return {"scores": scores, "truth": truth, "labels": labels, "g": g, "t": t}


def table() -> Arrays:
    return scored(200_000, "table")


def group_errors(given: Arrays) -> Any:
    groups = {name: given[name] for name in ("g", "t")}
    return alignment.audit(given["scores"], given["truth"], groups, order=2)


def errors(given: Arrays, ours: Any, theirs: Arrays) -> list[Row]:
    mine = ours.by_group.set_index("group")["bias"]
    names = [str(name) for name in theirs["names"]]
    assert set(names) == set(mine.index), set(names) ^ set(mine.index)
    apart = np.abs(mine[names].to_numpy() - theirs["errors"])
    worst = int(np.abs(theirs["errors"]).argmax())
    most = int(apart.argmax())
    return [
        (f"mean error of {name}, {why} of {len(names)} groups", mine[name], theirs["errors"][i])
        for i, why in ((worst, "the largest"), (most, "the one that differs most"))
        for name in (names[i],)
    ]


def halves() -> Arrays:
    fresh = {f"fresh_{name}": x for name, x in scored(20_000, "fresh").items()}
    return scored(5_000, "fit") | fresh


def repaired(given: Arrays) -> Any:
    groups = {name: given[name] for name in ("g", "t")}
    return alignment.repair(
        given["scores"], given["labels"].astype(float), groups, notion="multicalibration"
    )


def held_out(given: Arrays, ours: Any, theirs: Arrays) -> list[Row]:
    groups = {name: given[f"fresh_{name}"] for name in ("g", "t")}

    def judged(scores: Any) -> tuple[float, float]:
        found = alignment.audit(np.clip(scores, 0, 1), given["fresh_truth"], groups, n_draws=100)
        return found.multiaccuracy_error.plug_in, found.multicalibration_error.plug_in

    mine = judged(ours.apply(given["fresh_scores"], groups))
    others = judged(theirs["scores"])
    before = judged(given["fresh_scores"])
    return [
        (f"{name} on fresh rows (before: {was:.4f})", a, b)
        for name, was, a, b in zip(
            ("multiaccuracy error", "multicalibration error"), before, mine, others, strict=True
        )
    ]


def pairs() -> Arrays:
    """Return made-up pictures and texts with what two linear towers make of them."""
    draw = rng.generator(0, "peers", "pairs")
    pictures, texts = draw.random((256, 3, 8, 8)), draw.random((256, 16))
    towers = {"image_tower": 0.5 + draw.standard_normal((192, 32)),
              "text_tower": 0.5 + draw.standard_normal((16, 32))}  # fmt: skip
    return {name: x.astype(np.float32) for name, x in
            {"pictures": pictures, "texts": texts, **towers}.items()}  # fmt: skip


def clip_scores(given: Arrays) -> Any:
    v, p = (given[x].reshape(256, -1) @ given[f"{y}_tower"]
            for x, y in (("pictures", "image"), ("texts", "text")))  # fmt: skip
    v, p = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (v, p))
    return 100 * alignment.alignment_score(v, p, {"none": p[0], "other": p[1]})


def mean_score(given: Arrays, ours: Any, theirs: Arrays) -> list[Row]:
    return [("mean of 100 times the cosine", float(ours.mean()), float(theirs["score"]))]


PEERS = (
    Peer("wefe", "1.0.1", words, association, associations),
    Peer("fairlearn", "0.15.0", table, group_errors, errors),
    Peer("multicalibration", "0.0.2", halves, repaired, held_out, needs=("numpy", "tqdm")),
    Peer("mcgrad", "0.1.5", halves, repaired, held_out, borrows=True),
    Peer("torchmetrics", "1.9.0", pairs, clip_scores, mean_score, borrows=True),
)


def sampler() -> tuple[str, list[Row], float]:
    """Compare our sampler with diffusers' loop: images from the same noise, and times.

    Returns
    -------
    Its version, rows, and how many times as long it takes.
    """
    import diffusers

    network = build_denoiser(NetworkConfig(embedding_dim=384)).eval()
    condition = torch.randn(384, generator=rng.torch_generator(0))
    process = DenoiserProcess(network, steps=STEPS, batch=BATCH, variance="scheduler")
    n = 8

    def streams() -> list[torch.Generator]:
        return [rng.torch_generator(0, "peers", i) for i in range(n)]

    for _, x, _ in reverse_states(process, condition, n, generators=streams()):
        mine = x
    scheduler, noise = noise_scheduler(), streams()
    scheduler.set_timesteps(STEPS)
    theirs = rng.normal(noise, n, process.image_shape)
    with torch.no_grad():
        for t in scheduler.timesteps:
            output = network(theirs.float(), t.expand(n), condition.expand(n, -1)).double()
            theirs = scheduler.step(output, t, theirs, generator=noise).prev_sample
    far = int((mine - theirs).abs().argmax())
    rows = [("the pixel that differs most", *(float(x.flatten()[far]) for x in (mine, theirs)))]
    certified = DenoiserProcess(network, steps=STEPS, batch=BATCH)
    ratio = in_turns(
        lambda: certified_loop(certified, condition), lambda: diffusers_loop(network, condition)
    )[0]
    return diffusers.__version__, rows, 1 / ratio
