"""PRM families: rendering steps into tokens and reading scores from the second endpoint."""
