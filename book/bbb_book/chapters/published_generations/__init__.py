"""The chapter *Real models' published generations*."""
