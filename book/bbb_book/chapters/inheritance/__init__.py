"""The chapter *A law of inheritance*."""
