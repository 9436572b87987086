"""Learning from search: step labels, PRM training, PRM benchmarks."""
