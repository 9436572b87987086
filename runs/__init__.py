"""An experiment: problems, recipe, journal, resume, results. Knows nothing of the terminal."""
