"""Publishing: chapters, their execution and the book's pages (the front page, every chapter)."""

from __future__ import annotations

__all__: list[str] = []
