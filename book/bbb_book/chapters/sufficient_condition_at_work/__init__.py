"""The chapter *The sufficient condition at work*."""
