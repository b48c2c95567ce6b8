"""The chapter *Alignment auditing*."""
