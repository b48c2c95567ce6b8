"""Why an export of answers is set aside: a fixed list of reasons (human study)."""

from __future__ import annotations

__all__ = ["REASONS", "Refused"]

REASONS = {
    "unreadable": "the file cannot be read",
    "too large": "the file is larger than any export",
    "not JSON": "the file is no valid JSON (cut off or damaged)",
    "not an export": "the JSON does not have the form of an export",
    "other version": "the export has another version of the form",
    "another study": "the answers belong to another study",
    "unknown image": "the answers name an image that the study does not have",
    "unknown answer": "an answer is none of the study's options",
    "other order": "the images are not those dealt to this participant's code",
    "same file again": "the same answers were given before",
    "older export": "a later export of the same participant has more answers",
    "contradiction": "two exports of one participant disagree",
}
"""Reason to sentence. Nothing of what a refused file says reaches a report."""


class Refused(ValueError):
    """An export that is set aside; `reason` is a key of `REASONS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(REASONS[reason])
        self.reason = reason
