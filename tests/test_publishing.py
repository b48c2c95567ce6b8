"""The workflows call what exists, with few rights, and the files that name a version agree."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOWS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
}
WRITES = {
    ("pages", "deploy"): {"pages": "write", "id-token": "write"},
    ("pages", "notebooks"): {"contents": "write"},
    ("release", "publish"): {"contents": "write"},
}
"""Jobs that may write, and what; none of them checks out or runs the project's code."""
TARGETS = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
VERSION = (".ci/version", "bbb_core/__init__.py", "CITATION.cff", "CHANGELOG.md")


def steps(workflow: str) -> list[dict]:
    return [step for job in WORKFLOWS[workflow]["jobs"].values() for step in job["steps"]]


def version(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / ".ci" / "version", "--root", root, *words]
    return subprocess.run([str(w) for w in command], capture_output=True, text=True, check=False)


@pytest.fixture
def copy(tmp_path):
    for name in VERSION:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_workflows_are_those_expected():
    assert set(WORKFLOWS) == {"test", "pages", "weekly", "release"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_rights_are_least(name):
    assert WORKFLOWS[name]["permissions"] == {"contents": "read"}
    for job, one in WORKFLOWS[name]["jobs"].items():
        assert one.get("permissions") == WRITES.get((name, job))
        if (name, job) in WRITES:
            text = " ".join([*(s.get("uses", "") for s in one["steps"]),
                             *(s.get("run", "") for s in one["steps"])])  # fmt: skip
            assert not re.search(r"checkout|make |\.ci/", text)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_runs_end_and_do_not_overlap(name):
    assert WORKFLOWS[name]["concurrency"]["group"]
    assert all(job["timeout-minutes"] <= 90 for job in WORKFLOWS[name]["jobs"].values())


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned(name):
    for step in steps(name):
        if "uses" in step:
            assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+(\.\d+)*|[0-9a-f]{40})", step["uses"])


@pytest.mark.parametrize("name", WORKFLOWS)
def test_what_the_workflows_call_exists(name):
    said = "\n".join(step.get("run", "") for step in steps(name))
    called = re.findall(r"\bmake ([a-z-]+)", said)
    assert set(called) <= TARGETS
    scripts = re.findall(r"(?<![\w/])\.ci/[\w-]+", said)
    assert called or scripts
    for script in scripts:
        assert (ROOT / script).stat().st_mode & 0o111, script


def test_no_workflow_types_an_address():
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        assert "://" not in path.read_text(encoding="utf-8"), path.name


def test_versions_agree():
    found = version(ROOT)
    assert found.returncode == 0, found.stderr
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", found.stdout)


@pytest.mark.parametrize("name", VERSION[1:])
def test_another_version_anywhere_is_refused(copy, name):
    path = copy / name
    here = version(ROOT).stdout.strip()
    path.write_text(path.read_text(encoding="utf-8").replace(here, "9.9.9"), encoding="utf-8")
    found = version(copy)
    assert found.returncode == 1
    assert f"{name} has 9.9.9" in found.stderr


def test_a_tag_needs_its_own_version_and_a_date(copy):
    here = version(ROOT).stdout.strip()
    log = copy / "CHANGELOG.md"
    text = re.sub(r"(\n## \[[^]]+\] - ).*", r"\1Unreleased", log.read_text(), count=1)
    log.write_text(text, encoding="utf-8")
    assert "the tag has 9.9.9" in version(copy, "--tag", "v9.9.9").stderr
    assert "Unreleased" in version(copy, "--tag", f"v{here}").stderr
    log.write_text(text.replace("] - Unreleased", "] - 2030-01-02", 1), encoding="utf-8")
    found = version(copy, "--tag", f"v{here}", "--notes", str(copy / "notes.md"))
    assert found.returncode == 0, found.stderr
    notes = (copy / "notes.md").read_text(encoding="utf-8")
    assert notes.startswith(text.partition("Unreleased\n\n")[2][:40])
    assert "\n## [" not in notes
