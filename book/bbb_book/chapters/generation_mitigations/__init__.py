"""The chapter *Mitigations for generation*."""
