"""Captions and alt texts hold no number and no superlative that a run could make false.

They cannot hold computed values, except glued ones. So a numeral or quantity word in them counts
what the code draws or the design fixes, or it is a parameter, a definition or a proof; what is not
plain from the word after it is allowed below, with the reason. In prose, decimals are glued.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

BOOK = Path(__file__).parents[1] / "book"
COUNTS = "two three four five six seven eight nine ten twelve fifteen twenty fifty sixty hundred"
QUANTITIES = (
    "half thirds? quarters? twice most mostly none every always never all hardly nothing everything"
)
FOUND = re.compile(rf"\d+(?:[.,]\d+)*|\b(?:{'|'.join(f'{COUNTS} {QUANTITIES}'.split())})\b")
DRAWN = (
    "panels? rows? columns? curves? lines? markers? marks? histograms? bumps? intervals cumulative "
    "scatter small line dot vertical falling rising jagged parallel s-shaped bell-shaped grey"
)
FIXED = (
    "occupations? groups? group prompts? neutral tones? regimes scorers? sets pictures people "
    "strategies encoders kinds attributes level prompts scenarios stages distributions estimates "
    "shares skin nearby requested random requests trained generators pairs shapes ends together"
)
NUMBER = rf"(?:{COUNTS.replace(' ', '|')})"
PLAIN = re.compile(
    r"\{[\w:-]+\}`[^`]*`|\$[^$]*\$"  # glued values, references, citations; mathematics
    r"|cc-by 4\.0|95 %|\blevel [0.]*\d+|\bt\d\b|\ball but\b"  # names, levels, an idiom
    r"|split-half|half-(?:fitting|width)|grey quarters?|(?:left|middle|right) third"  # names
    r"|\bone half\b"  # balance, or a coin toss
    r"|\b(?:hold for|over|of) all\b|\ball (?=rows start)"  # joint intervals, pooling, common noise
    rf"|(?:\ball )?\b{NUMBER}(?: of the {NUMBER})? (?=(?:{f'{DRAWN} {FIXED}'.replace(' ', '|')})\b)"
)

DESIGN, EXACT, PROOF = "fixed by the design", "computed without sampling", "proved"
ALLOWED: dict[str, dict[str, str]] = {
    "fig-audit-unkind": {"0.05": "the level that is judged"},
    "fig-audit-blends": {"fit 0": DESIGN, "fit 1": DESIGN, "five portraits": DESIGN},
    "fig-audit-groups": {"80 %": "parameter `biases`"},
    "fig-laws": {"nearly all mass": EXACT},
    "fig-steps": {"most images": EXACT},
    "fig-ladder": {"says nothing": "a bound above one", "two triangle forms": DESIGN},
    "fig-two-sides": {"say nothing": "a bound above one", "next to nothing": "a bound near it"},
    "fig-cells-law": {
        "the four cells": DESIGN,
        "four full prompts": DESIGN,
        "one quarter": "the fair share",
    },
    "fig-coverage": {"two unkind models": DESIGN, "all points": EXACT, "most oracles": EXACT},
    "fig-shares": {"four forms": DESIGN},
    "fig-labour": {"2015": "year of the statistics", "2016": "year of the statistics"},
    "fig-trap": {"all other occupations": "definition of the axis"},
    "fig-emoji-drawings": {"Six of the twenty": "argument of the figure"},
    "fig-emoji-samples": {
        "half of the twenty": "argument of the figure",
        "the first three for": "argument of the figure",
        "Nothing was selected": DESIGN,
    },
    "fig-emoji-readings": {"all of them": DESIGN},
    "fig-emoji-held-out": {
        "the ten drawings": DESIGN,
        "never saw": DESIGN,
        "where there is none": "either way",
    },
    "fig-six-pictures": {
        "picture 6": "the parameters' law",
        "every prompt": "the parameters' law",
        "mostly pictures": "the parameters' law",
        "1 and 2": DESIGN,
        "3 to 5": DESIGN,
    },
    "fig-floor": {"two-group": DESIGN, "half the width": "what is drawn"},
    "fig-general-mitigations": {"half the images": "definition of subclass sampling"},
    "fig-mitigation-sweep": {"all occupations": DESIGN, "seven dots": "parameter `positions`"},
    "fig-mitigation-shares": {"every occupation at one half": "subclass sampling, by T3"},
    "fig-mitigation-pictures": {"first half of each block": DESIGN},
    "fig-human-power": {
        "0.15": "argument of the figure",
        "the line is 0.9": "the power asked for",
        "half the expected width": "what is drawn",
        "five readings beat one": EXACT,
        "more readings hardly do": EXACT,
        "than with five": EXACT,
    },
    "fig-human-worlds": {"Nothing here": DESIGN, "all annotators share": "name of the scenario"},
    "fig-imbalance-ways": {"all drawn from the same noise": DESIGN},
    "fig-imbalance-region": {"nothing about large ones": "bounds near one, see the table"},
    "fig-imbalance-guidance": {"weight 1": "definition", "does not always": "a glued count"},
    "fig-law-sweep": {"Two prompts": DESIGN, "every point": DESIGN},
    "fig-law-levels": {"distance of .1": "what is drawn", "0 to 1": DESIGN},
    "fig-law-doses": {
        "-.3": "registered dose",
        "+.3": "registered dose",
        "foretells nothing": PROOF,
    },
    "fig-law-parts": {"all images are of one group": "ends of the axis", "two per": DESIGN},
    "fig-law-training": {"nothing else": DESIGN},
    "fig-law-placements": {"four placements": DESIGN, "next three": DESIGN},
    "fig-law-pictures": {"two images": DESIGN, "every placement": DESIGN},
    "fig-cells-shares": {"every cell": DESIGN},
    "fig-cells-occupations": {"last two": "what is drawn", "never left of the two": PROOF},
    "fig-cells-cycle-pictures": {"nothing else": DESIGN},
    "fig-cells-cycle": {
        "all shapes": DESIGN,
        "all three start together": "claim cells-cycle",
        "one third": "fair share of three groups",
    },
    "fig-generations-small": {
        "nearly everything": "exact intervals of flagged sizes",
        "every statement": DESIGN,
    },
    "fig-clip-forest": {"ViT-H/14": "name of a model"},
    "fig-clip-yardsticks": {"Diffusion 1.5": "name of a model"},
    "fig-reward-prices": {"the other half": DESIGN},
    "fig-reward-curve": {"all scorers": DESIGN, "0.95": "what is drawn"},
    "fig-defect": {"Twice": PROOF, "factor two": PROOF, "half of it": PROOF},
    "fig-wheel": {
        "all three": "claim t2-cyclic",
        "one third": "fair share of three groups",
        "other two": "symmetry",
    },
    "fig-average": {"two ways": DESIGN, "one third": EXACT},
    "fig-symmetry-pictures": {"all are green": "the few stored pictures, looked at"},
    "fig-label-world": {"every noise": DESIGN, "hardly be made out": "of the picture, looked at"},
    "fig-roads": {"six error levels": "parameter `noises`"},
}
"""Phrases with a quantity by figure, and why no run can make them false."""
PROSE = {
    "alignment_auditing": "0.05 5 % 95 % 0.2 0.1 80 %",  # levels; the hand example; a caption bias
    "biased_embeddings": "0.95 0.5 5 % 0.99",  # levels; random oracles; what vacuous means
    "generalisation": "95 % 0.8",  # threshold; a caption bias
    "human_study": "0.9",  # the power asked for
    "inheritance": ".1 .044 .15 1.2 .2 .5 .8 .3 95 %",  # arithmetic; the registered design
    "limits": "95 %",
    "index": "95 % 1.5 0.1",  # a level; a model's version; this book's version
    "notation": "95 %",
    "paper_to_book": "4.5",  # the number of the paper's theorem
    "primer": ".3 .1",  # examples
    "published_generations": "1.5 95 % 5 %",  # a model's version; levels
    "real_clip": "1.5",  # a model's version
    "register": "95 % 5 % 2.5",  # levels
    "reward_for_imbalance": "0.95 0.30 0.26",  # a level; an example
    "sufficient_condition": "0.95",
}
"""Decimals and percentages that prose states by hand: parameters, levels, examples, designs."""


def figures() -> dict[str, str]:
    """Return caption and alt text of every figure cell, by the name of the figure."""
    found = {}
    for path in sorted(BOOK.glob("*.md")):
        for head in re.findall(r"ipython3\n---\n(.*?)\n---\n", path.read_text("utf-8"), re.DOTALL):
            cell: Any = yaml.safe_load(head)
            if "mystnb" in cell:
                image, shown = cell["mystnb"]["image"], cell["mystnb"]["figure"]
                found[shown["name"]] = f"{shown['caption']} {image['alt']}"
    return found


def quantities(text: str, allowed: dict[str, str] | None = None) -> list[str]:
    """Return the quantities of a text that neither layout nor names nor allowed phrases explain."""
    for phrase in allowed or ():
        text = text.replace(phrase, "")
    return FOUND.findall(PLAIN.sub(" ", text.lower()))


def decimals(text: str) -> list[str]:
    """Return decimals and percentages in the prose of a chapter: no code, proof, mathematics."""
    for unread in (r"^```.*?^```$", r"\$\$.*?\$\$|\$[^$]*\$|`[^`]*`"):
        text = re.sub(unread, "", text, flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"(?<![\w.])(?:\d*\.\d+\b|\d+ %)", text)


@pytest.mark.parametrize(("name", "text"), figures().items(), ids=figures())
def test_captions_and_alt_texts_state_no_result(name: str, text: str) -> None:
    assert not quantities(text, ALLOWED.get(name))


def test_what_is_allowed_is_said() -> None:
    said = figures()
    assert not [(f, p) for f, phrases in ALLOWED.items() for p in phrases if p not in said[f]]


@pytest.mark.parametrize("path", sorted(BOOK.glob("*.md")), ids=lambda path: path.stem)
def test_prose_glues_its_decimals(path: Path) -> None:
    allowed = re.findall(r"[\d.]+(?: %)?", PROSE.get(path.stem, ""))
    assert not set(decimals(path.read_text("utf-8"))) - set(allowed)


FAULTS = {
    "Three S-shaped curves rising from zero at position 0.2 to one at position 0.7.": [
        "0.2",
        "0.7",
    ],
    "Twenty dots with intervals, ordered by share, from about a quarter to one.": [
        "twenty",
        "quarter",
    ],
    "Curves that rise in the first four steps and then stay level.": ["four"],
    "A falling curve that drops steeply in the first two hundred steps.": ["two", "hundred"],
    "Intervals reaching down to about three quarters.": ["three", "quarters"],
    "Below about fifty images a fair and an unfair generator look alike.": ["fifty"],
    "The share goes from none to all within a third of the way.": ["none", "all", "third"],
    "A joint law always looks worse than its margins.": ["always"],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_found(fault: str) -> None:
    """These sentences stood in captions, alt texts or prose, and were false."""
    assert quantities(fault) == FAULTS[fault]


def test_layout_and_names_are_no_quantities() -> None:
    plain = (
        "Two panels with four lines each, and three rows of portraits. Limits hold for all groups. "
        "The split-half estimate is at {glue:text}`half` of one half, by T4 at level 0.95."
    )
    assert quantities(plain) == []
    assert decimals("The share is 0.31, $0.5$ or `0.7`.\n```\n0.2\n```\n") == ["0.31"]
