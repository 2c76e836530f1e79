"""The commands for the technician at the wall: what this player knows, and what is to be mended on it."""
