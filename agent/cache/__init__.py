"""Films on disk: what is there, and how it comes there."""
