"""The chapter *Biased embeddings, imbalanced generations*."""
