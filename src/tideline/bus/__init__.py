"""How nodes tell each other what was committed: only ever a better path, never the one that delivers."""
