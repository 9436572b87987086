"""A seed for every request, so that an engine that honours seeds repeats a run exactly."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np

Random = np.random.Generator


def derive(run_seed: int, problem: str, path: Sequence[int]) -> int:
    """A stable 31-bit seed for one node: the same on every machine and in every process.

    `path` is the node's place in its tree. Two nodes of a run share a seed only by collision.
    """
    name = json.dumps([run_seed, problem, list(path)]).encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=4).digest(), "big") >> 1


def generator(run_seed: int, problem: str, decision: int) -> Random:
    """Random numbers for the `decision`-th choice of a search, a stream of its own for each.

    No draw depends on how many were made before, nor shares its seed with a node of the tree
    (whose path has no negative number).
    """
    return np.random.default_rng(derive(run_seed, problem, (-1, decision)))
