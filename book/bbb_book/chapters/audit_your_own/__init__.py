"""The chapter *Audit your own*."""
