"""An experiment: problems, recipe, journal, resume, results."""
