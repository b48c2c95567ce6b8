"""Generators whose law is known exactly, which several chapters on theory check against."""
