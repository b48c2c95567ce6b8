"""`--scheduler` and large tables: no number changes, and memory does not grow with rows."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from distributed import LocalCluster

from bbb_core.cli import main
from bbb_core.rng import generator

N = 4000


@pytest.fixture(autouse=True)
def _no_global_state_changes():
    """Dask draws from the module `random` in threads of its own."""


@pytest.fixture(scope="module")
def address():
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Return a folder of tables with labels, probabilities, scores and empty cells."""
    folder, rng = tmp_path_factory.mktemp("shards"), generator(0, "scheduler")
    frame = pd.DataFrame(
        {
            "prompt": rng.choice(["nurse", "judge", "cook", None], N, p=[0.4, 0.3, 0.29, 0.01]),
            "group": rng.choice(["man", "woman", "none", "?", None], N),
            "n": rng.integers(0, 5, N),
            "score": np.where(rng.random(N) < 0.01, np.nan, rng.normal(size=N)),
        }
    )
    frame["p"] = rng.random(N).round(3)
    frame["q"] = (1 - frame["p"]).round(3)
    for i in range(5):
        frame[i::5].to_csv(folder / f"{i}.csv", index=False)
    return folder


def audited(*arguments):
    found = CliRunner().invoke(main, ["audit", *map(str, arguments), "--json"])
    assert found.exit_code == 0, found.output
    return found.stdout


COMMANDS = {
    "labels": ["generations", "--ignore", "?"],
    "counts": ["generations", "--count-column", "n"],
    "probabilities": ["generations", "--probability-column", "p", "--probability-column", "q"],
    "gaps": ["alignment", "--score", "score", "--group", "group"],
    "gaps within prompts": [
        "alignment", "--score", "score", "--group", "group", "--within", "prompt",
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_workers_change_no_number(shards, address, name):
    command, *options = COMMANDS[name]
    if name in ("labels", "counts"):
        options += ["--group-column", "group"]
    alone = audited(command, shards, *options)
    assert audited(command, shards, *options, "--scheduler", address) == alone
    assert "nan" not in alone.casefold()


def embedded(folder, kind, texts, rows):
    """Write a table of embeddings in several parts."""
    match kind:
        case "parquet":
            table = pa.table({"text": texts, "embedding": list(rows)})
            pq.write_table(table, folder / "t.parquet", row_group_size=50)
            return folder / "t.parquet"
        case "npy":
            np.save(folder / "t.npy", rows)
            (folder / "t.txt").write_text("\n".join(texts))
            return folder / "t.npy"
        case "safetensors":
            import torch
            from safetensors.torch import save_file

            tensors = {"embeddings": torch.from_numpy(rows)}
            path = folder / "t.safetensors"
            save_file(tensors, path, metadata={"texts": json.dumps(texts)})
            return path
    for name in ("text_emb", "metadata"):
        (folder / name).mkdir()
    for i, start in enumerate(range(0, len(texts), 100)):
        np.save(folder / "text_emb" / f"{i}.npy", rows[start : start + 100])
        pd.DataFrame({"caption": texts[start : start + 100]}).to_parquet(
            folder / "metadata" / f"{i}.parquet"
        )
    return folder


@pytest.mark.parametrize("kind", ["npy", "safetensors", "parquet", "folder"])
def test_of_a_table_only_the_rows_of_the_prompts_matter(tmp_path, address, monkeypatch, kind):
    """The audit of the prompts' rows is that of a table with others, zero and NaN, between them."""
    monkeypatch.setattr("bbb_core.io.parquet.PART", 100)
    asked = ["--occupations", "nurse,judge,cook"]
    prompts = CliRunner().invoke(main, ["audit", "embeddings", "--encoder", "table:x", *asked,
                                        "--list-prompts"]).stdout.splitlines()  # fmt: skip
    rng = generator(1, "prompts")
    rows = rng.normal(size=(len(prompts), 8)).astype(np.float32)
    small = embedded(tmp_path, "npy", prompts, rows)
    wanted = json.loads(audited("embeddings", "--encoder", f"table:{small}", *asked))
    others = [f"another {i}" for i in range(1000 - len(prompts))]
    order = rng.permutation(1000)
    texts = [(prompts + others)[i] for i in order]
    more = np.concatenate([rows, np.zeros((len(others), 8), np.float32)])[order]
    more[texts.index("another 0")] = np.nan
    (tmp_path / kind).mkdir()
    table = f"table:{embedded(tmp_path / kind, kind, texts, more)}"
    found = [
        json.loads(audited("embeddings", "--encoder", table, *asked, *options))
        for options in ([], ["--scheduler", address])
    ]
    assert found[0] == found[1]
    assert found[0]["table"] == wanted["table"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generations", "{}", "--group-column", "group", "--image-column", "n"], "per image"),
        (["alignment", "{}", "--score", "p", "--truth", "q", "--group", "group"], "--truth"),
        (["embeddings", "--encoder", "glove"], "glove is none"),
    ],
)
def test_what_workers_cannot_share_is_one_line(shards, address, arguments, message):
    arguments = [str(shards) if one == "{}" else one for one in arguments]
    found = CliRunner().invoke(main, ["audit", *arguments, "--scheduler", address])
    assert found.exit_code == 2
    assert message in found.output
    assert len(found.output.strip().splitlines()) == 1


def test_a_wrong_address_is_one_line(shards):
    found = CliRunner().invoke(
        main, ["audit", "generations", str(shards), "--scheduler", "local:none"]
    )
    assert found.exit_code == 2
    assert found.output.startswith("Error: --scheduler 'local:none' is no number of workers")


PEAK = r"""
import re, sys
from click.testing import CliRunner
from bbb_core.cli import main
assert CliRunner().invoke(main, ["audit", *sys.argv[1:]]).exit_code == 0
print(re.search(r"VmHWM:\s*(\d+)", open("/proc/self/status").read())[1])
"""


def peak(*arguments):
    """Return the most memory of a process of its own, in MB, without that of the one before it."""
    call = [sys.executable, "-c", PEAK, *map(str, arguments)]
    return int(subprocess.run(call, capture_output=True, text=True, check=True).stdout) / 1024


def written(path, rows):
    """Write a parquet table of scores of two groups in row groups of 2**17 rows."""
    step = 2**17
    with pq.ParquetWriter(path, pa.schema({"prompt": "str", "group": "str", "x": "f8"})) as file:
        for start in range(0, rows, step):
            i = np.arange(start, start + step)
            table = {
                "prompt": pa.array((i % 7).astype(str)),
                "group": pa.array(np.array(["a", "b"])[i % 2]),
                "x": pa.array((i % 101) / 101.0),
            }
            file.write_table(pa.table(table))
    return path


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc tells the memory")
@pytest.mark.parametrize("command", ["generations", "alignment"])
def test_memory_is_flat_in_rows(tmp_path, command):
    """Twelve times the rows, 1.6 million, in less than 30 MB more; held, they take 124 MB."""
    options = ["--group-column", "group"]
    options += ["--score", "x", "--within", "prompt"] if command == "alignment" else []
    tables = [written(tmp_path / f"{n}.parquet", n * 2**17) for n in (1, 12)]
    sizes = [peak(command, table, *options) for table in tables]
    assert sizes[1] < sizes[0] + 30


def test_memory_of_a_table_is_that_of_the_rows_asked_for(tmp_path):
    """A table of 300,000 rows and 307 MB, of which 60 rows are asked for."""
    import tracemalloc

    from bbb_core.embedding import load_encoder

    n = 300_000
    rows = np.lib.format.open_memmap(tmp_path / "t.npy", "w+", np.float16, (n, 512))
    rows[::1000] = 1.0
    (tmp_path / "t.txt").write_text("\n".join(f"text {i}" for i in range(n)))
    tracemalloc.start()
    found = load_encoder(f"table:{tmp_path / 't.npy'}", texts=[f"text {i}000" for i in range(60)])
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.encode_text(["text 59000"]).tolist()[0] == pytest.approx([512**-0.5] * 512)
    assert most < 20_000_000
