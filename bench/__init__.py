"""How fast searches are, as ratios measured in one run: `just bench`."""
