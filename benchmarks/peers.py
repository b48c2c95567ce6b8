"""Other tools beside this one: the same inputs, how far the results agree, and who takes longer.

    python benchmarks/peers.py [--record] [--environments FOLDER] [NAME ...]

Every peer runs in an environment of its own, made at the first call. One run of theirs and one of
ours take turns, and only the ratio of their median times is kept. ``--record`` writes the file that
the book shows (`SHOWN`); a peer that cannot be installed is named there with the reason, and the
records of those that were not named stay.
"""

from __future__ import annotations

import argparse
import json
import site
import statistics
import subprocess
import tempfile
import time
import venv
from pathlib import Path
from typing import Any

import numpy as np
from peer_tasks import PEERS, REPEATS, Arrays, Peer, Row, sampler

from bbb_core.io.writing import cache_dir, write_json

ROOT = Path(__file__).parents[1]
SHOWN = ROOT / "book" / "bbb_book" / "chapters" / "audit_your_own" / "peers.json"


class Worker:
    """A peer's process: one run per call."""

    def __init__(self, peer: Peer, python: Path, folder: Path, given: Arrays) -> None:
        self.results = folder / "results.npz"
        np.savez(folder / "inputs.npz", **given)
        script = Path(__file__).with_name("peer_workers.py")
        self.process = subprocess.Popen(
            [python, script, peer.name, folder / "inputs.npz", self.results],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def seconds(self) -> float:
        """Run once."""
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def finish(self) -> Arrays:
        """Return what the last run found."""
        self.process.stdin.close()
        if self.process.wait():
            raise RuntimeError(f"the process ended with {self.process.returncode}")
        with np.load(self.results, allow_pickle=False) as file:
            return dict(file)


def environment(peer: Peer, folder: Path) -> Path:
    """Return the Python of a peer's environment, made if need be."""
    place = folder / f"env-{peer.name}"
    python, made = place / "bin" / "python", place / "made"
    if not made.is_file():
        venv.create(place, clear=True, with_pip=True)
        if peer.borrows:
            (own,) = place.glob("lib/*/site-packages")
            (own / "borrowed.pth").write_text("\n".join(site.getsitepackages()) + "\n")
        wanted = [f"{peer.name}=={peer.version}", *peer.needs]
        command = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted]
        subprocess.run(command, check=True, capture_output=True, text=True)
        made.touch()
    return python


def compared(peer: Peer, folder: Path) -> dict[str, Any]:
    """Run both in turns and return what is recorded."""
    python, given = environment(peer, folder), peer.inputs()
    ours, theirs, mine = [], [], None
    with tempfile.TemporaryDirectory() as name:
        worker = Worker(peer, python, Path(name), given)
        for turn in range(REPEATS + 1):
            for first in (True, False) if turn % 2 else (False, True):
                if first:
                    start = time.perf_counter()
                    mine = peer.ours(given)
                    ours.append(time.perf_counter() - start)
                else:
                    theirs.append(worker.seconds())
        rows = peer.rows(given, mine, worker.finish())
    times = [statistics.median(seconds[1:]) for seconds in (theirs, ours)]  # the first warms up
    return _record(peer.name, peer.version, rows, times[0] / times[1])


def _record(name: str, version: str, rows: list[Row], ratio: float) -> dict[str, Any]:
    told = [{"quantity": quantity, "here": float(a), "there": float(b)} for quantity, a, b in rows]
    return {"peer": name, "version": version, "rows": told, "ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*", help="peers to run; all by default")
    parser.add_argument("--record", action="store_true", help=f"write {SHOWN.name} for the book")
    parser.add_argument("--environments", type=Path, default=cache_dir() / "peers")
    given = parser.parse_args()
    found: dict[str, Any] = {}
    runs = {peer.name: (lambda peer=peer: compared(peer, given.environments)) for peer in PEERS}
    runs["diffusers"] = lambda: _record("diffusers", *sampler())
    for name in given.names or runs:
        try:
            found[name] = runs[name]()
        except subprocess.CalledProcessError as error:
            reason = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
            found[name] = {"peer": name, "missing": f"could not be installed: {reason}"}
        print(json.dumps(found[name], indent=1, ensure_ascii=False))
    if given.record:
        before = json.loads(SHOWN.read_text(encoding="utf-8")) if SHOWN.is_file() else []
        found = {one["peer"]: one for one in before} | found
        write_json(SHOWN, [found[name] for name in runs if name in found])


if __name__ == "__main__":
    main()
