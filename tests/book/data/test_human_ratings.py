"""People's readings: no identifier is stored, and the derived table is the pinned one."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading

import pytest

from bbb_book.data import human_ratings, published
from bbb_core.errors import InputError

HEAD = (
    "HITId,WorkerId,Input.occu,Input.question,Input.url,Answer.Description_0,Answer.Description_1,"
    "Answer.Description_2,Answer.Description_3,Approve\r\n"
)
ROWS = (
    'H1,A9SECRET,suit,"Is it, say, a suit?",https://x.amazonaws.com/objects/P1/a+suit/0.jpg,1,1,2,4,\r\n'
    "H1,A1SECRET,suit,?,https://x.amazonaws.com/objects/P1/a+suit/0.jpg,1,2,1,3,\r\n"
    "H2,A9SECRET,doctor,?,https://y.amazonaws.com/profession/P2/a+doctor/7.jpg,2,1,3,1,\r\n"
)
DERIVED = (
    "model,item,picture,rater,answer_0,answer_1,gender,skin\n"
    "stable-diffusion,suit,stable-diffusion/objects/P1/a+suit/0.jpg,st001,1,1,2,4\n"
    "stable-diffusion,suit,stable-diffusion/objects/P1/a+suit/0.jpg,st002,1,2,1,3\n"
    "stable-diffusion,doctor,stable-diffusion/profession/P2/a+doctor/7.jpg,st001,2,1,3,1\n"
    "DALL-E mini,suit,DALL-E-mini/objects/P1/a+suit/0.jpg,mi001,1,1,2,4\n"
)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_identifiers_are_dropped_and_raters_numbered_within_a_model():
    first = HEAD + ROWS
    second = HEAD + ROWS.splitlines(keepends=True)[0]
    made = human_ratings.without_identifiers({"stable-diffusion": first, "DALL-E mini": second})
    assert made == DERIVED
    assert "SECRET" not in made
    assert "H1" not in made


def test_a_missing_column_is_named():
    with pytest.raises(InputError, match="minDALL-E have no column 'WorkerId'"):
        human_ratings.without_identifiers({"minDALL-E": "Input.occu,Input.url\nsuit,https://x/y\n"})


@pytest.fixture
def served(monkeypatch, tmp_path):
    """Two made-up originals on a local server, an empty cache, no data folder."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "web")
    handler.func.log_message = lambda *args: None
    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(published, "HOST", f"http://127.0.0.1:{running.server_address[1]}")
    monkeypatch.setenv("BBB_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("BBB_DATA_DIR", raising=False)
    texts = {"stable-diffusion": HEAD + ROWS, "DALL-E mini": HEAD + ROWS.splitlines(True)[0]}
    sources = {}
    for model, text in texts.items():
        one = human_ratings._source(human_ratings.ORIGINALS[model].file, digest(text), "Made up.")
        file = tmp_path / "web" / one.repository / one.commit / one.location
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, newline="")
        sources[model] = one
    monkeypatch.setattr(human_ratings, "ORIGINALS", sources)
    monkeypatch.setattr(human_ratings, "DIGEST", digest(DERIVED))
    yield tmp_path
    running.shutdown()
    running.server_close()


def test_the_originals_are_fetched_and_only_the_derived_table_is_stored(served):
    assert human_ratings.path().read_text() == DERIVED
    kept = [file for file in (served / "cache").rglob("*") if file.is_file()]
    assert [file.name for file in kept] == [human_ratings.FILE]
    assert human_ratings.load()["skin"].tolist() == [4, 3, 1, 4]


def test_an_altered_original_is_refused_and_nothing_is_stored(served):
    file = next((served / "web").rglob("stablediff*"))
    file.write_text(file.read_text() + "more\n")
    with pytest.raises(InputError, match="SHA-256") as caught:
        human_ratings.path()
    assert not isinstance(caught.value, published.DataUnavailable)
    assert not [file for file in (served / "cache").rglob("*") if file.is_file()]


def test_a_derived_table_that_differs_is_refused(served, monkeypatch):
    monkeypatch.setattr(human_ratings, "DIGEST", "0" * 64)
    with pytest.raises(InputError, match="damaged or altered"):
        human_ratings.path()


def test_absence_is_no_damage(served, monkeypatch, tmp_path):
    monkeypatch.setattr(published, "HOST", "http://127.0.0.1:9")  # the discard port: nobody there
    assert not human_ratings.available()
    monkeypatch.setenv("BBB_DATA_DIR", str(tmp_path))
    with pytest.raises(published.DataUnavailable, match="not in BBB_DATA_DIR"):
        human_ratings.path()
    (tmp_path / human_ratings.FILE).write_text(DERIVED)
    assert human_ratings.available()
    (tmp_path / human_ratings.FILE).write_text(DERIVED + "x")
    with pytest.raises(InputError, match="altered"):
        human_ratings.available()


def test_the_published_table_parses():
    if not human_ratings.available():
        pytest.skip("the published readings are not at hand (no network, no BBB_DATA_DIR)")
    table = human_ratings.load()
    assert table["picture"].value_counts().unique().tolist() == [3]
    assert table["picture"].nunique() == 1152
