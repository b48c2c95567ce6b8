"""The registered experiment on the law of inheritance: placements, switches, claims' estimates."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import expit

from bbb_book.chapters.inheritance import law_claims, parts
from bbb_book.chapters.inheritance.designs import open_prompts, registered
from bbb_book.chapters.inheritance.foretold import Generator, calibrated, levels, ranks
from bbb_book.chapters.inheritance.generators import Settings, measure_generator
from bbb_book.chapters.inheritance.law_claims import intraclass_correlation, jackknife_ratio
from bbb_book.chapters.inheritance.walk import walked
from bbb_book.generators import placements
from bbb_book.generators.placements import FURTHEST, own_switches, swept_law
from bbb_book.press.chapters import preset
from bbb_core.errors import InputError
from bbb_core.rng import generator
from bbb_core.theory import inherited_share

ROOT = Path(__file__).parents[3]
TINY = Settings(
    steps=4, large_steps=4, channels=(16, 32), large_channels=(16, 32), clip_steps=2,
    reverse_steps=2, positions=3, n_sweep=1, n_neutral=3, n_placed=2, n_dose=1, guidance=(3.0,),
    guided_positions=2, n_guided_sweep=1, n_guided=2, limit=1.0, shown=1,
)  # fmt: skip


def test_the_registered_design_is_what_the_page_says():
    designs = registered()
    small = [d for d in designs if d.size == 16]
    assert len(designs) == len(set(designs)) == 32
    assert len(small) == 28
    assert sum(d.conditioning == "tokens" for d in designs) == 16
    assert {d.women for d in designs} == {0.2, 0.5, 0.8}
    assert len({d.noise for d in designs}) >= 4
    assert len(law_claims.training_triples([Generator(d, {}) for d in designs])) == 7


@pytest.fixture(scope="module", params=["pooled", "tokens"])
def rows(request):
    shape = (4, 3, 6) if request.param == "pooled" else (4, 3, 5, 6)
    made = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    if request.param == "tokens":
        made[:, :, -1] = 0  # padding
        made[:, 0, -2] = 0  # neutral prompts are one token shorter
    return made.unbind(1)


def test_placements_lie_where_they_say(rows):
    neutral, man, woman = rows
    at = torch.tensor([0.1, 0.5, 0.9, 1.2], dtype=torch.float64)
    line = placements.on_line(man, woman, at)
    torch.testing.assert_close(placements.positions(line, man, woman), at)
    moved = placements.towards(neutral, man, woman, at)
    torch.testing.assert_close(placements.positions(moved, man, woman), at)


def test_moves_leave_padding_empty(rows):
    neutral, man, woman = rows
    empty = (neutral == 0).all(-1)
    beside = placements.across(neutral, man, woman, seed=0)
    for moved in (
        placements.towards(neutral, man, woman, torch.full((4,), 0.5)),
        placements.projected(neutral, man, woman),
        neutral + beside,
    ):
        assert torch.equal((moved == 0).all(-1), empty)


def test_moves_across_leave_the_position_and_have_the_length_of_the_way():
    made = torch.randn(8, 3, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    neutral, man, woman = made.unbind(1)
    beside = placements.across(neutral, man, woman, seed=3)
    before = placements.positions(neutral, man, woman)
    # Eight middles span seven directions, and eight ways take some of them: what is left is random
    # but orthogonal to every way.
    torch.testing.assert_close(placements.positions(neutral + beside, man, woman), before)
    torch.testing.assert_close(beside.norm(dim=1), (woman - man).norm(dim=1))


def test_a_projected_prompt_keeps_its_length_and_loses_the_direction():
    made = torch.randn(8, 3, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    neutral, man, woman = made.unbind(1)
    moved = placements.projected(neutral, man, woman)
    torch.testing.assert_close(moved.norm(dim=1), neutral.norm(dim=1))
    assert float((moved @ (woman - man).mean(0)).abs().max()) < 1e-12


def test_aligned_prompts_lie_half_way_at_the_groups_word():
    design = next(d for d in registered() if d.kind == "glove, tokens")
    prompts = open_prompts(design, clip_steps=1)
    neutral, man, woman = prompts.rows.unbind(1)
    heard = lambda rows: (rows != 0).any(-1).sum(-1)  # noqa: E731
    assert torch.equal(heard(prompts.aligned), heard(man))
    assert torch.equal(heard(neutral) + 1, heard(man))
    # Word vectors have no context: all that differs between the groups is the word itself.
    t = placements.positions(prompts.aligned, man, woman)
    torch.testing.assert_close(t, torch.full_like(t, 0.5))


def test_own_switches_are_found_at_any_slope():
    t = np.linspace(0, 1, 11)
    true = np.array([0.2, 0.5, 0.77])
    y = 1e5 * expit(9.0 * (t - true[:, None]))
    counts = np.stack([1e5 - y, y], -1)
    np.testing.assert_allclose(own_switches(t, counts, 9.0), true, atol=1e-4)


def test_occupations_of_one_group_alone_get_a_switch_at_the_end():
    t, six, none = np.linspace(0, 1, 11), np.full(11, 6), np.zeros(11)
    women, men = np.stack([none, six], -1), np.stack([six, none], -1)
    first, last = own_switches(t, np.stack([women, men]), 80.0)
    assert FURTHEST[0] <= first < 0.05
    assert 0.95 < last <= FURTHEST[1]
    assert own_switches(t, np.zeros((1, 11, 2)), 8.0).tolist() == [0.5]


def test_without_a_rising_slope_the_middle_stands_in_for_the_switch():
    t, rising = np.linspace(0, 1, 5), np.array([0, 1, 3, 5, 6])
    counts = np.stack([6 - rising, rising, 0 * rising], -1)
    slope, switch, own = swept_law(t, counts[None])
    assert slope > 0
    assert switch == pytest.approx(0.5)
    assert own == pytest.approx([0.5], abs=1e-6)
    falling = swept_law(t, counts[None, ::-1])
    assert falling[0] < 0
    assert falling[1] == 0.5
    assert falling[2].tolist() == [0.5]
    assert swept_law(t, counts[None] // 6)[0] == 0  # two pictures settle nothing


def test_the_parts_of_the_chapter_are_what_it_asks_for():
    values = preset(ROOT / "book", "ci")["inheritance"]
    made, designs = parts(values), registered(values["at_most"])
    drawn = walked(designs, values["walk_encoders"])
    assert drawn
    assert [arguments[0] for _, arguments in made] == [*designs, *drawn]
    assert {arguments[1] for _, arguments in made} == {made[0][1][1]}
    settings = made[0][1][1]
    names = {f.name for f in fields(Settings)} - {"learning_rate", "large_learning_rate"}
    assert names <= values.keys()
    for name in names:
        said = values[name]
        assert getattr(settings, name) == (tuple(said) if isinstance(said, list) else said)
    # The page itself builds its settings from the same names, one by one.
    page = (ROOT / "book" / "inheritance.md").read_text(encoding="utf-8")
    call = page.split("settings = Settings(")[1].split("\n)\n")[0]
    assert {one.partition("=")[0].strip() for one in call.split(",") if "=" in one} == names


def test_the_list_can_be_cut_but_not_lengthened():
    assert registered(3) == registered()[:3]
    with pytest.raises(InputError, match="at_most"):
        registered(33)


@pytest.mark.parametrize("place", [2, 3])
def test_a_tiny_generator_is_measured_whole(place):
    made = measure_generator(registered()[place], TINY)
    assert np.asarray(made["sweep"]).shape == (20, 3, 3)
    assert (np.asarray(made["sweep"]).sum(-1) == TINY.n_sweep).all()
    for name, counts in made["placed"].items():
        n = TINY.n_neutral if name == "neutral" else TINY.n_placed
        assert (np.sum(counts, 1) == n).all()
    assert ("guided" in made) == ("aligned" in made["placed"]) == (place == 3)
    again = measure_generator(registered()[place], TINY)
    assert np.array_equal(made["along"], again["along"])
    assert made["placed"] == again["placed"]


def lawful(number: int, *, n: int = 200, slope: float = 9.0) -> Generator:
    """A generator that obeys the law exactly, but for the sampling of its pictures."""
    design, g = registered()[number], generator(number, "lawful")
    at = np.linspace(0, 1, 11)
    switch, t = g.uniform(0.3, 0.7), g.uniform(0.2, 0.8, 20)

    def drawn(where, size):
        women = g.binomial(size, inherited_share(where, slope, switch))
        return np.stack([size - women, women, np.zeros_like(women)], -1)

    sweep = np.stack([drawn(np.full(20, u), n) for u in at], 1)
    along = [t + d for d in (-0.3, -0.15, 0.15, 0.3)]
    places = {"neutral": t, "equalised": np.full(20, 0.5), "projected": t, "averaged": t,
              "shifted": np.full(20, switch), "own switch": np.full(20, switch)}  # fmt: skip
    values = {
        "positions": at, "sweep": sweep, "slope": slope, "switch": switch,
        "own_switches": np.full(20, switch), "t": t, "gap": t, "distance_ratio": t,
        "first_step": t, "kernel": inherited_share(t, 40.0, 0.5),
        "placed": {k: drawn(u, n) for k, u in places.items()}, "placed_t": places,
        "right": {k: np.full(20, n) for k in places},
        "along": np.stack([drawn(u, n) for u in along]), "along_t": np.stack(along),
        "across": np.stack([drawn(t, n) for _ in range(2)]),
    }  # fmt: skip
    return Generator(design, values)


def test_claims_hold_for_generators_that_obey_the_law():
    # Counts of 200 pictures: every interval is far from its threshold (more than five errors).
    made = calibrated([lawful(i) for i in range(28)])
    assert len(made) == 28
    foretold, drawn = levels(made).T
    assert abs(foretold - drawn).max() < 0.03
    assert np.nanmin(ranks(made)["position"]) > 0.9
    records = [
        *law_claims.record_level(made), *law_claims.record_dose(made),
        law_claims.record_midpoint(made), *law_claims.record_placement(made)[:1],
        law_claims.record_placement(made)[2],
    ]  # fmt: skip
    assert {r.verdict for r in records} == {"supported", "holds"}  # claims and checks
    # The switch was dealt without regard to training share and encoder.
    assert law_claims.record_training_share(made).verdict != "supported"
    assert law_claims.record_switch_origin(made).value < 0.7


def test_no_generator_measures_nothing():
    for record in (
        law_claims.record_level, law_claims.record_occupations, law_claims.record_dose,
        law_claims.record_placement,
    ):  # fmt: skip
        assert all(made is None for made in record([]))
    assert law_claims.record_guidance([]) is None
    assert law_claims.record_switch_origin([]) is None


def test_squared_changes_lose_the_noise_of_sampling():
    g = generator(0, "squared changes")
    p = np.array([[0.2] * 20, [0.5] * 20])
    found = []
    for _ in range(2000):
        women = g.binomial(8, p)
        found.append(law_claims._squared_change(np.stack([8 - women, women], -1)))
    error = np.std(found) / np.sqrt(len(found))
    assert np.mean(found) == pytest.approx(0.09, abs=4 * error)  # four standard errors


@pytest.mark.parametrize("theta", [0.0, 2.0])
def test_intraclass_interval_covers_with_unequal_groups(theta):
    # Exact at .95 (for theta = 0 the interval always reaches 0, so only the upper end can miss).
    sizes = (2, 2, 1, 1, 3, 2, 3)
    sizes = (2, 2, 1, 1, 3, 2, 3)
    g, labels = generator(0, "intraclass", int(theta)), np.repeat(np.arange(len(sizes)), sizes)
    covered = 0
    for _ in range(600):
        x = np.sqrt(theta) * g.standard_normal(len(sizes))[labels]
        e = intraclass_correlation(x + g.standard_normal(len(labels)), [str(i) for i in labels])
        covered += e.low <= theta / (1 + theta) <= e.high
    # Binomial(600, .95): below .92 in 1 of 1,000 runs.
    assert covered / 600 > 0.92


def test_jackknife_of_a_ratio_covers():
    # 30 units whose two quantities share a skewed size; nominal .95, below .91 in 1 of 5,000 runs.
    g, covered = generator(0, "ratio"), 0
    for _ in range(600):
        y = g.exponential(size=30) + 0.2
        e = jackknife_ratio(0.8 * y + 0.2 * g.standard_normal(30), y)
        covered += e.low <= 0.8 <= e.high
    assert covered / 600 > 0.91
