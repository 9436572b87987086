"""The embedded default: a task generator, its exact oracle, problem sets and trained weights."""
