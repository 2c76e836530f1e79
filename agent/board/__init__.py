"""The control room: what an operator sees of all walls, as a web page. An extra of its own: `framezero[board]`."""
