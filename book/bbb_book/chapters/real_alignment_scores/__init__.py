"""The chapter *Real alignment scores*."""
