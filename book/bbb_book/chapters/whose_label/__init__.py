"""The chapter *Whose label?*."""
