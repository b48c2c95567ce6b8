"""Published audit data of others, fetched by name, hash and address (real-model chapters).

No file is part of this package. `path` finds one in the folder ``$BBB_DATA_DIR`` if that is set,
else in the cache, else at its public address, pinned to a commit; the SHA-256 is verified on
every road. `load` parses it strictly.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bbb_book.data.published_parsers import parse_mj_bench
from bbb_core import checks
from bbb_core.balance.fair_diffusion import parse_counts
from bbb_core.errors import InputError
from bbb_core.io.writing import cache_dir, sha256

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "SCORERS",
    "SCORE_COLUMNS",
    "SOURCES",
    "DataUnavailable",
    "Source",
    "available",
    "load",
    "path",
]

HOST = "https://raw.githubusercontent.com"
TIMEOUT = 20
"""Seconds without an answer after which a download counts as impossible."""

LARGEST = 2**24
"""Bytes; no published file comes near it, so a longer answer is something else."""


class DataUnavailable(InputError):
    """A published file can be had neither from a folder nor from the network.

    The message names the file, its address and ``BBB_DATA_DIR``. A file with a wrong hash is
    *not* this error: it raises a plain `InputError`, so that no chapter reads damage as absence.
    """


@dataclass(frozen=True, kw_only=True)
class Source:
    """One published file: where it lies, what it must hash to, and whose it is.

    Parameters
    ----------
    file : str
        Its name in ``$BBB_DATA_DIR`` and in the cache.
    repository, commit, location : str
        GitHub repository (``owner/name``), commit and path of the file.
    digest : str
        SHA-256 of its bytes, hexadecimal.
    licence, citation : str
        Licence of the repository; key in ``book/references.bib``.
    content : str
        What it holds, in one sentence.
    """

    file: str
    repository: str
    commit: str
    location: str
    digest: str
    licence: str
    citation: str
    content: str

    @property
    def address(self) -> str:
        """The pinned address of the raw file."""
        return "/".join([HOST, self.repository, self.commit, self.location])


def _fair_diffusion(kind: str, digest: str, content: str) -> Source:
    return Source(
        file=f"fair_diffusion_{kind}.txt",
        repository="ml-research/Fair-Diffusion",
        commit="21e4ed4e1a17174d628b102d5124f3848f153f16",
        location=f"results_fairface_{kind}.txt",
        digest=digest,
        licence="Apache-2.0",
        citation="friedrich2023",
        content=content,
    )


SOURCES: dict[str, Source] = {
    "fair-diffusion-generated": _fair_diffusion(
        "generated_1-5",
        "73cc15a7939f5d8010137002eb819daad7573e08b87977a42da301be842109d3",
        "FairFace readings of images by Stable Diffusion 1.5 for 153 occupations.",
    ),
    "fair-diffusion-edited": _fair_diffusion(
        "edited_1-5",
        "45c5210475efd237d8710af5e44fb01f724bd6f4e912c2f6a8d22f2269f3ca10",
        "The same model and occupations after Fair Diffusion's intervention.",
    ),
    "fair-diffusion-laion": _fair_diffusion(
        "laion",
        "151c8090ed84b6dfc2377132b4751df33dc566462aa10634ecc96ac278def4f7",
        "FairFace readings of LAION-5B training images for the same occupations.",
    ),
    "mj-bench-bias": Source(
        file="mj_bench_bias_gpt-4o.json",
        repository="MJ-Bench/MJ-Bench",
        commit="eb269adaff40460bed054963c504772317ad4955",
        location="bias/new_bias_dataset_gpt-4o.json",
        digest="bee004dc5aaca392cc0307047d626c959d233ea96bd1061464e0bd5ba28c88f0",
        licence="MIT",
        citation="chen2024mjbench",
        content="Alignment scores of 1,548 images: 30 occupations x requested demographics.",
    ),
    "clip-vitb32-classes": Source(
        file="detic_oid_clip_vitb32_a_cname.npy",
        repository="facebookresearch/Detic",
        commit="436cda2a2347df60a7c66daca0e8c59f93dc5e79",
        location="datasets/metadata/oid_clip_a+cname.npy",
        digest="b24dbd0adf6244ae769aa609c8541bb80c4d60380d0841b8da4d7091faf5fe0a",
        licence="Apache-2.0",
        citation="zhou2022detic",
        content="Text vectors of CLIP ViT-B/32 for 500 OpenImages classes, 500 x 512.",
    ),
    "clip-rn50-classes": Source(
        file="unidetector_oid_clip_rn50_manyprompt.npy",
        repository="zhenyuw16/UniDetector",
        commit="eb182535178ecfad18142bed2e03b458a0a8f451",
        location="clip_embeddings/oid_clip_a+cname_rn50_manyprompt.npy",
        digest="8434b39d5916640afb72a939dfbff7a6b5367337fe84f88e333dbd8f79c57094",
        licence="Apache-2.0",
        citation="wang2023unidetector",
        content="Text vectors of CLIP RN50 for the same classes, 500 x 1024.",
    ),
}
"""Every published file by its name."""
SCORERS = {"clipscore_v2": "CLIPScore", "ImageReward": "ImageReward", "hps_v2.1": "HPSv2.1"}
"""Scorers that are compared, by column of ``mj-bench-bias``."""
SCORE_COLUMNS = (*SCORERS, "aesthetics", "pickscore_v1", "blipscore", "gpt-4o")
"""Every score column of that file, defective or not."""


def path(name: str) -> Path:
    """Return the verified local file of a published source, fetching it if need be.

    Parameters
    ----------
    name : str
        A key of `SOURCES`.

    Returns
    -------
    pathlib.Path
        In ``$BBB_DATA_DIR`` if that is set (the network is then never asked), else in the cache.

    Raises
    ------
    DataUnavailable
        If the folder lacks the file, or there is neither a cached copy nor an answering network.
    InputError
        If `name` is unknown, or the file does not have the published SHA-256.

    Examples
    --------
    >>> SOURCES["mj-bench-bias"].licence
    'MIT'
    """
    source = SOURCES[checks.choice("name", name, sorted(SOURCES))]
    folder = os.environ.get("BBB_DATA_DIR")
    if folder:
        return _from_folder(source, Path(folder).expanduser())
    return _from_cache(source)


def available(*names: str) -> bool:
    """Tell whether all the named files can be had; damage still raises `InputError`."""
    try:
        for name in names:
            path(name)
    except DataUnavailable:
        return False
    return True


def load(name: str) -> pd.DataFrame:
    """Return a published table, parsed strictly.

    Parameters
    ----------
    name : str
        A key of `SOURCES`.

    Returns
    -------
    pandas.DataFrame
        Fair Diffusion: index ``occupation``; whole-number columns ``man``, ``woman``, ``except``
        (readings by FairFace, never true attributes). MJ-Bench: one row per image, columns as
        published, and ``requested_age``, ``requested_gender``, ``requested_other``, the parts of
        ``demographic`` (what the prompt asked for, not what the image was read as).

    Raises
    ------
    DataUnavailable, InputError
        As `path` does; and `InputError` with the line number if the text is malformed, or if the
        file holds vectors and no table of text.
    """
    file = path(name)
    if file.suffix == ".npy":
        raise InputError(f"{name} holds vectors; read it as table:{file.name}:NAMES.txt.")
    text = file.read_text(encoding="utf-8")
    parse = parse_mj_bench if name == "mj-bench-bias" else parse_counts
    return parse(text, name=file.name)


def _from_folder(source: Source, folder: Path) -> Path:
    file = folder / source.file
    if not file.is_file():
        raise DataUnavailable(
            f"{source.file} is not in BBB_DATA_DIR={folder}; put the file from {source.address} "
            "there, or unset BBB_DATA_DIR to fetch it."
        )
    found = sha256(file)
    if found != source.digest:
        raise InputError(
            f"{file} has SHA-256 {found}, not {source.digest}; replace it by the file from "
            f"{source.address}."
        )
    return file


def _from_cache(source: Source) -> Path:
    folder = cache_dir() / "published"
    file = folder / source.file
    if file.is_file() and sha256(file) == source.digest:
        return file
    import pooch

    log = pooch.get_logger()
    level = log.level
    log.setLevel("ERROR")
    try:
        pooch.retrieve(
            source.address,
            known_hash=f"sha256:{source.digest}",
            fname=source.file,
            path=folder,
            downloader=_download,
        )
    except OSError as error:  # every network error of requests is one
        raise DataUnavailable(
            f"{source.file} could not be fetched from {source.address} "
            f"({type(error).__name__}); connect to the network, or put the file into a folder "
            "and set BBB_DATA_DIR to it."
        ) from error
    except ValueError as error:  # pooch: the hash differs
        raise InputError(
            f"{source.file} as fetched from {source.address} does not have SHA-256 "
            f"{source.digest}; the download was damaged or altered: try again."
        ) from error
    finally:
        log.setLevel(level)
    return file


def _download(address: str, output: Any, _: Any) -> None:
    """Write what lies at `address` to `output` (pooch's protocol), closing the connection."""
    import requests

    with requests.get(address, stream=True, timeout=TIMEOUT) as answer:
        answer.raise_for_status()
        size = 0
        with open(output, "wb") as file:
            for block in answer.iter_content(chunk_size=2**16):
                size += len(block)
                if size > LARGEST:
                    raise ValueError(f"{address} is larger than {LARGEST} bytes")
                file.write(block)
