"""The chapter *Biased embeddings give imbalanced generations*."""
