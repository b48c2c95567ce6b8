"""The chapter *Bias in embeddings*."""
