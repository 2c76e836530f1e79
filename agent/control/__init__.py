"""The operator's side: publish programs, send cues, and see what the walls make of them."""
