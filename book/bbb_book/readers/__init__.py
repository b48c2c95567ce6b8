"""Readers of the generated drawings: who is drawn, and how often the reader errs."""
