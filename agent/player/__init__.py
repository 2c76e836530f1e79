"""The player: a process of its own that prepares films on an idle deck and reveals them at their instant."""
