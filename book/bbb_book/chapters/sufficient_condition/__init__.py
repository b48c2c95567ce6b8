"""The chapter *A sufficient condition*."""
