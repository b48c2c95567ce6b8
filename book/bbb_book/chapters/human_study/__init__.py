"""The chapter *What would people see?*."""
