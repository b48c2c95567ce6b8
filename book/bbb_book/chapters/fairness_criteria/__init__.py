"""The chapter *Fairness criteria*."""
