"""One room per chapter: its experiment, its figures, and its registered claims in `claims.toml`."""
