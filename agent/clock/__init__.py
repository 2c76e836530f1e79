"""The local oscillator mapped to UTC, with an honest error bound."""
