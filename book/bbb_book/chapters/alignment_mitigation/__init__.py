"""The chapter *Mitigating biased alignment scores*."""
