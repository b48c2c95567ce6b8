"""Tables read in parts: the same numbers from one process and two workers, one of them killed."""

from __future__ import annotations

import os
import signal
from functools import partial

import numpy as np
import pandas as pd
import pytest
from distributed import LocalCluster

from bbb_core.errors import InputError
from bbb_core.io import parquet, tallies
from bbb_core.io.sources import open_table
from bbb_core.io.tallies import tally
from bbb_core.io.workers import workers
from bbb_core.rng import generator

FRAME = pd.DataFrame(
    {
        "g": generator(1, "workers").choice(["a", "b", "c", None], 5000),
        "h": generator(2, "workers").choice(["x", "y"], 5000),
        "x": generator(3, "workers").normal(size=5000),
    }
)


@pytest.fixture(autouse=True)
def _no_global_state_changes():
    """Dask draws from the module `random` in threads of its own."""


@pytest.fixture(scope="module")
def address():
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        yield cluster.scheduler_address


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    for i in range(7):
        FRAME[i::7].to_csv(folder / f"{i}.csv", index=False)
    return folder


def powers(block):
    x = block.numbers["x"]
    return np.empty((0, len(x))), np.stack([x, x**2, x**3]), x[None]


def counted(path, over=map, measure=powers):
    return tally(open_table(path), labels=["g", "h"], numbers=["x"], measure=measure, over=over)


def equal(one, other):
    assert one.sums.tobytes() == other.sums.tobytes()
    assert one.largest.tobytes() == other.largest.tobytes()
    assert one.table.rows.tolist() == other.table.rows.tolist()
    assert [one.table.place(i) for i in range(8)] == [other.table.place(i) for i in range(8)]
    for name, column in one.table.labels.items():
        assert column.tolist() == other.table.labels[name].tolist()


def test_sums_are_those_of_the_rows(shards):
    found = counted(shards)
    whole = pd.concat([FRAME[i::7] for i in range(7)])
    groups = whole.groupby(["g", "h"], dropna=False, sort=False)["x"]
    assert len(found.table) == groups.ngroups == 8
    assert found.table.rows.tolist() == groups.size().tolist()
    np.testing.assert_allclose(found.sums[0], groups.sum(), rtol=1e-12)
    np.testing.assert_allclose(found.sums[1], groups.agg(lambda x: (x**2).sum()), rtol=1e-12)
    assert found.largest[0].tolist() == groups.max().tolist()
    assert found.table.missing == {"g": int(FRAME["g"].isna().sum()), "h": 0}
    assert found.table.place(0).endswith("line 2 of 0.csv")


@pytest.mark.parametrize("ending", ["csv", "parquet", "feather", "jsonl"])
def test_blocks_are_the_rows(tmp_path, monkeypatch, ending):
    """Small blocks and parts: every row once, in its order, with its place."""
    path = tmp_path / f"t.{ending}"
    match ending:
        case "csv":
            FRAME.to_csv(path, index=False)
        case "parquet":
            FRAME.to_parquet(path, row_group_size=700)
        case "feather":
            FRAME.to_feather(path)
        case _:
            FRAME.to_json(path, orient="records", lines=True, double_precision=15)
    whole = open_table(path).read(labels=["g"], numbers=["x"])
    for module in ("arrow", "delimited", "parquet", "records"):
        monkeypatch.setattr(f"bbb_core.io.{module}.BLOCK", 300)
    monkeypatch.setattr(parquet, "PART", 1000)
    parts = open_table(path).parts()
    assert len(parts) == (4 if ending == "parquet" else 1)
    blocks = [block for part in parts for block in part.blocks(labels=["g"], numbers=["x"])]
    assert max(map(len, blocks)) <= 300
    numbers = np.concatenate([block.numbers["x"] for block in blocks])
    assert numbers.tolist() == whole.numbers["x"].tolist()
    labels = [label for block in blocks for label in block.labels["g"].tolist()]
    assert list(map(str, labels)) == list(map(str, whole.labels["g"].tolist()))
    assert [place for block in blocks for place in block.places] == list(whole.places)


def test_two_workers_give_the_same_bytes(shards, address, tmp_path, monkeypatch):
    FRAME.to_parquet(tmp_path / "t.parquet", row_group_size=700)
    monkeypatch.setattr(parquet, "PART", 1000)
    with workers(address) as over:
        for path in (shards, tmp_path / "t.parquet"):
            equal(counted(path), counted(path, over))


def killing(block, *, mark):
    """End the first worker that comes here, without a word."""
    if len(block) and not os.path.exists(mark):
        open(mark, "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    return powers(block)


def test_a_killed_worker_changes_no_number(shards, tmp_path):
    with workers("local:2") as over:
        found = counted(shards, over, partial(killing, mark=tmp_path / "mark"))
    assert (tmp_path / "mark").exists()
    equal(counted(shards), found)


def ending(block):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_part_that_ends_every_worker_is_one_line(tmp_path):
    FRAME.to_csv(tmp_path / "t.csv", index=False)
    with (
        pytest.raises(InputError, match="workers ended again and again"),
        workers("local:1") as over,
    ):
        counted(tmp_path / "t.csv", over, ending)


def test_the_first_error_is_that_of_one_process(tmp_path, address):
    for i, cell in enumerate(["1", "one", "2", "two"]):
        (tmp_path / f"{i}.csv").write_text(f"g,h,x\na,b,{cell}\n")
    with pytest.raises(InputError, match="'one' is no number") as alone:
        counted(tmp_path)
    with workers(address) as over, pytest.raises(InputError) as shared:
        counted(tmp_path, over)
    assert str(shared.value) == str(alone.value)


@pytest.mark.parametrize("scheduler", ["local:0", "local:", "local:x", "local:2000"])
def test_no_number_of_workers(scheduler):
    with pytest.raises(InputError, match="no number of workers; say local:2"), workers(scheduler):
        pass


@pytest.mark.parametrize("scheduler", ["tcp://127.0.0.1:1", "127.0.0.1:1", "nowhere", "ftp://a:1"])
def test_an_address_where_nobody_answers(scheduler, monkeypatch):
    monkeypatch.setattr("bbb_core.io.workers._WAIT", 1)
    with pytest.raises(InputError, match="does not answer"), workers(scheduler):
        pass


def test_different_rows_are_bounded(tmp_path, monkeypatch):
    (tmp_path / "t.csv").write_text("g,h,x\n" + "".join(f"{i},a,1\n" for i in range(20)))
    monkeypatch.setattr(tallies, "MOST_DIFFERENT", 19)
    with pytest.raises(InputError, match="more than 19 rows with different labels"):
        counted(tmp_path / "t.csv")
