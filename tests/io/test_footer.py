"""Sizes in the footer of a parquet file, against Arrow's own view of good files."""

from __future__ import annotations

import io
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bbb_core.io.footer import announced


def written(columns, **options) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table(columns), stream, **options)
    return stream.getvalue()


LISTS = {"text": ["a", "b", None, "d"], "embedding": [[1.0, 2.0], [], None, [3.0]]}


@pytest.mark.parametrize("options", [{}, {"row_group_size": 1}, {"compression": "zstd"},
                                     {"version": "1.0"}, {"write_page_index": True}])  # fmt: skip
@pytest.mark.parametrize("columns", [LISTS, {f"c{i}": range(3) for i in range(17)}])
def test_sizes_are_those_that_arrow_sees(columns, options):
    data = written(columns, **options)
    metadata = pq.ParquetFile(io.BytesIO(data)).metadata
    for name in list(columns)[:2]:
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        chunks = [group.column(i) for group in groups for i in range(metadata.num_columns)]
        own = [chunk for chunk in chunks if chunk.path_in_schema.split(".")[0] == name]
        found = announced(io.BytesIO(data), [name])
        assert found.rows == metadata.num_rows
        assert found.values == sum(chunk.num_values for chunk in own)
        assert found.unpacked == sum(chunk.total_uncompressed_size for chunk in own)


def test_the_position_stays():
    stream = io.BytesIO(written(LISTS))
    stream.seek(5)
    announced(stream, ["text"])
    assert stream.tell() == 5


@settings(max_examples=150, deadline=None, derandomize=True)
@given(data=st.data())
def test_damage_is_a_value_error(data):
    content = bytearray(written(LISTS))
    if data.draw(st.booleans()):
        for _ in range(3):
            at = data.draw(st.integers(len(content) // 2, len(content) - 9))
            content[at] = data.draw(st.integers(0, 255))
    else:
        content = bytearray(data.draw(st.binary(max_size=60)) + b"\x30\0\0\0PAR1")
    try:
        found = announced(io.BytesIO(content), ["text", "embedding"])
    except ValueError:
        return
    assert min(found.rows, found.values, found.unpacked) >= 0


def test_a_damaged_footer_does_not_end_the_process(tmp_path):
    """Of these thousand files, `metadata.row_group(0).column(i)` of Arrow aborts on a dozen."""
    code = (
        "import sys\n"
        "from bbb_core.embedding.table import load_table\n"
        "from bbb_core.errors import InputError\n"
        "good, path = open(sys.argv[1], 'rb').read(), sys.argv[2]\n"
        "start = len(good) - 8 - int.from_bytes(good[-8:-4], 'little')\n"
        "for at in range(start, len(good) - 8):\n"
        "    for value in (good[at] ^ 1, (good[at] + 16) % 256, (good[at] - 16) % 256):\n"
        "        open(path, 'wb').write(good[:at] + bytes([value]) + good[at + 1:])\n"
        "        try: load_table(path)\n"
        "        except InputError: pass\n"
    )
    columns = {"text": ["a", "b"], "embedding": [[1.0, 2.0], [2.0, 1.0]]}
    (tmp_path / "good.parquet").write_bytes(written(columns, store_schema=False))
    asked = [sys.executable, "-c", code, tmp_path / "good.parquet", tmp_path / "bad.parquet"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-500:]
