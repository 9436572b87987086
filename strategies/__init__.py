"""The decisions that strategies make, pure and deterministic.

A strategy is what a user names on the command line, a program in `programs/`; what it decides by is
here: aggregating step scores, voting, keeping, allocating, resampling, stopping. No I/O, no clock,
no global randomness.
"""
