"""Decisions of a search, pure and deterministic: no I/O, no clock, no global randomness."""
