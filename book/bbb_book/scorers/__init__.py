"""Scorers of known caption bias, and pictures of known fit (chapters on alignment scores)."""
