"""The chapter *Does it generalise?*."""
