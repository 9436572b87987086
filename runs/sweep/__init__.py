"""A grid of runs as one resumable thing: strategies, budgets, models, seeds and parameters."""
