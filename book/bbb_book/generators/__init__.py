"""Trained generators of emoji people and of figures, which several chapters draw from."""
