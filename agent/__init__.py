"""framezero: giant screens in several cities show a film on the same frame, and prove it."""

__version__ = "0.1.0"
