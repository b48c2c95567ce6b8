"""Readers of users' files, and writers of results that appear whole or not at all.

Reading: `cells` (text that may be shown), `files` (regular, bounded, decoded), `columns` (numbers
and labels), `delimited`, `records` (JSON), `arrow` and `parquet` with its `footer` (rows, in
`batches`), `tables` and, for every format and for folders, `sources` (the readers to call),
`labels` (merged, crossed).
Writing: `writing` (one file), `folders` (a delivery with its manifest), `identity` (hashes of
values). Nothing here trusts a name, a size or an encoding; whatever a file holds ends in a value or
in one `bbb_core.errors.InputError`.
"""
