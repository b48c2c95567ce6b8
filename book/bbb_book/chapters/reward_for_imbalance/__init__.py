"""The chapter *Do alignment scores reward imbalance?*."""
