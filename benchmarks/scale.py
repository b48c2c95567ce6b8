"""Time and memory of audits against rows, in one process and with workers of dask.distributed.

    python benchmarks/scale.py [--rows 1e5 1e6 1e7] [--workers 1 2] [--out FILE]

The how-to chapter shows book/bbb_book/chapters/audit_your_own/scale.json.

Each case is one `bbb audit` in a process of its own, over a folder of shards of 100,000 rows:

- generations: prompt and group of every image, parquet;
- alignment: gaps of a score between groups within prompts, parquet;
- embeddings: rows of float16 and their captions as clip-retrieval writes them; 6,760 are asked
  for.

`seconds` is the audit's time, imports included, with workers that wait for it; `peak` the most
resident memory of its process and `worker_peak` that of its largest worker, in MB (Linux: VmHWM, as
a process's `ru_maxrss` also counts the one that started it). A memory-mapped page counts while it
is resident. With 1 in --workers there is no scheduler. The results of a case must be the same bytes
with any number of workers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from distributed import Client, LocalCluster

from bbb_core import __version__, prompts
from bbb_core.io.writing import write_json
from bbb_core.rng import generator

SHARD = 100_000
AUDITS = {
    "generations": ["generations", "{}", "--group-column", "group"],
    "alignment": [
        "alignment", "{}", "--score", "score", "--group", "group", "--within", "prompt",
    ],
    "embeddings": ["embeddings", "--encoder", "table:{}"],
}  # fmt: skip
PEAK = r"""
def peak():
    import re
    return int(re.search(r"VmHWM:\s*(\d+)", open("/proc/self/status").read())[1]) / 1024
"""
CASE = (
    PEAK
    + """
import sys, time
start = time.perf_counter()
from bbb_core.cli import main
sys.argv = ["bbb", "audit", *sys.argv[1:], "--json"]
try:
    main()
except SystemExit as end:
    code = end.code
print(time.perf_counter() - start, peak(), file=sys.stderr)
sys.exit(code)
"""
)


def labelled(folder: Path, rows: int) -> None:
    """Write shards of labels and scores: 20 prompts, three groups."""
    jobs = np.array([f"a photo of a {noun}" for noun in prompts.OCCUPATIONS[:20]])
    groups = np.array(["man", "woman", "none"])
    for number, start in enumerate(range(0, rows, SHARD)):
        rng, n = generator(number, "scale"), min(SHARD, rows - start)
        group = rng.choice(3, n, p=[0.6, 0.35, 0.05])
        shard = {
            "prompt": pa.array(jobs[rng.integers(0, 20, n)]),
            "group": pa.array(groups[group]),
            "score": pa.array(rng.normal(0.25, 0.03, n) + 0.002 * (group == 0)),
        }
        pq.write_table(pa.table(shard), folder / f"{number:05}.parquet")


def embedded(folder: Path, rows: int, dim: int) -> None:
    """Write shards of embeddings among which are the rows of the default prompts."""
    from bbb_core.embedding.audit import Plan  # torch, which workers need not load

    texts = Plan(
        occupations=prompts.OCCUPATIONS, templates=prompts.TEMPLATES, pairs=prompts.GENDER_PAIRS,
        baseline=prompts.PERSON_NOUNS,
    ).texts()  # fmt: skip
    for name in ("text_emb", "metadata"):
        (folder / name).mkdir()
    place = dict(zip((generator(0, "places").choice(rows, len(texts), False)), texts, strict=True))
    for number, start in enumerate(range(0, rows, SHARD)):
        rng, n = generator(number, "embeddings"), min(SHARD, rows - start)
        values = rng.standard_normal((n, dim), np.float32).astype(np.float16)
        captions = [place.get(i, f"picture {i}") for i in range(start, start + n)]
        np.save(folder / "text_emb" / f"text_emb_{number}.npy", values)
        pq.write_table(
            pa.table({"caption": captions}), folder / "metadata" / f"metadata_{number}.parquet"
        )


def measured(audit: str, folder: Path, workers: int) -> dict[str, float | str]:
    """Run one audit in a process of its own, with workers of its own if there are several."""
    asked = [part.format(folder) for part in AUDITS[audit]]
    if workers == 1:
        return ran(asked)
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        ) as cluster,
        Client(cluster) as client,
    ):
        found = ran([*asked, "--scheduler", cluster.scheduler_address])
        return found | {"worker_peak": round(max(client.run(worker_peak).values()))}


def ran(asked: list[str]) -> dict[str, float | str]:
    """Run a command and return its time, memory and result."""
    done = subprocess.run(
        [sys.executable, "-c", CASE, *asked], capture_output=True, check=False,
        env=os.environ | {"BBB_PROGRESS": "0"},
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stderr.decode())
    seconds, peak = map(float, done.stderr.split()[-2:])
    return {"seconds": round(seconds, 2), "peak": round(peak), "result": digest(done.stdout)}


def worker_peak() -> float:
    names: dict[str, Callable[[], float]] = {}
    exec(PEAK, names)
    return names["peak"]()


def digest(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, nargs="+", default=[1e5, 1e6, 1e7])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--audits", nargs="+", choices=list(AUDITS), default=list(AUDITS))
    parser.add_argument("--dim", type=int, default=256, help="numbers of an embedding")
    parser.add_argument("--folder", help="where tables lie while they are needed")
    parser.add_argument("--out", help="where the record goes; without it, only lines are printed")
    asked = parser.parse_args()
    cases = []
    for rows in map(int, asked.rows):
        for audit in asked.audits:
            with tempfile.TemporaryDirectory(dir=asked.folder) as name:
                folder = Path(name)
                if audit == "embeddings":
                    embedded(folder, rows, asked.dim)
                else:
                    labelled(folder, rows)
                for workers in asked.workers:
                    found = measured(audit, folder, workers)
                    cases.append({"audit": audit, "rows": rows, "workers": workers, **found})
                    print(json.dumps(cases[-1]), flush=True)
            results = {c["result"] for c in cases if (c["audit"], c["rows"]) == (audit, rows)}
            if len(results) > 1:
                sys.exit(f"{audit}, {rows} rows: results differ between numbers of workers")
    if asked.out:
        record = {
            "version": __version__, "python": platform.python_version(), "cores": os.cpu_count(),
            "rows_per_shard": SHARD, "numbers_per_embedding": asked.dim, "cases": cases,
        }  # fmt: skip
        write_json(asked.out, record)


if __name__ == "__main__":
    main()
