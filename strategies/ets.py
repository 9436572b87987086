"""Which leaves of a tree to keep: ETS's integer program (Hooper et al., arXiv 2502.13575).

It weighs the reward of the leaves kept against the nodes that their paths occupy in the KV cache,
and against how many different steps are among them. scipy solves it, with HiGHS, and is imported
when first needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Path = tuple[int, ...]

ROUNDING = 1e-12
"""A cosine distance below this is that of equal directions."""


def retain(
    shares: Sequence[float],
    paths: Sequence[Path],
    clusters: Sequence[int],
    lambda_c: float,
    lambda_s: float,
) -> list[int]:
    """Indices of the leaves to keep, in order: the S, not empty, that maximises

        sum_{i in S} O_i  -  lambda_c |V_S| / |V|  +  lambda_s |C_S| / |C|

    O_i is leaf i's part of the `shares` (those of REBASE); V_S are the leaves S and all their
    ancestors up to the root, which `paths` name, and V those of all leaves; C_S are the
    `clusters` that S meets, C all of them. Symbols and scaling are those of the authors' code.
    With `lambda_c` 0 nothing is gained by letting go, and all are kept. Which of several best sets
    comes out is the solver's choice, the same every time.

    Raises RuntimeError when the solver does not find the optimum.
    """
    if not lambda_c or len(shares) < 2:
        return list(range(len(shares)))
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import dok_array

    leaves, kinds = len(shares), sorted(set(clusters))
    branches = sorted({path[:n] for path in paths for n in range(len(path))})
    nodes = {path: leaves + j for j, path in enumerate(branches)}  # the column of a branch
    covered = {kind: leaves + len(branches) + k for k, kind in enumerate(kinds)}
    columns = leaves + len(branches) + len(kinds)

    gain = np.empty(columns)
    gain[:leaves] = np.asarray(shares, float) / sum(shares)
    gain[leaves:] = 0.0
    gain[: leaves + len(branches)] -= lambda_c / (leaves + len(branches))
    gain[leaves + len(branches) :] = lambda_s / len(kinds)

    # Every row says that something is at most something else: sum_k row_k v_k >= 0.
    tree = [(i, nodes[path[:-1]]) for i, path in enumerate(paths)]  # a leaf needs its parent,
    tree += [(nodes[path], nodes[path[:-1]]) for path in branches if path]  # which needs its own
    rows = dok_array((len(tree) + len(kinds) + 1, columns))
    for row, (child, parent) in enumerate(tree):
        rows[row, child], rows[row, parent] = -1, 1
    for row, kind in enumerate(kinds, len(tree)):  # a cluster is covered by a leaf of its own
        rows[row, covered[kind]] = -1
        for i in range(leaves):
            if clusters[i] == kind:
                rows[row, i] = 1
    rows[-1, :leaves] = 1  # keep something
    least = np.zeros(rows.shape[0])
    least[-1] = 1

    solved = milp(
        -gain,
        # Branches and clusters come out whole when the leaves are.
        integrality=np.arange(columns) < leaves,
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(rows.tocsc(), lb=least),
        options={"mip_rel_gap": 0.0},
    )
    if not solved.success:
        raise RuntimeError(f"the integer program of ETS was not solved: {solved.message}")
    return [i for i in range(leaves) if solved.x[i] > 0.5]


def clusters_of(vectors: npt.ArrayLike, distance: float) -> list[int]:
    """A cluster number for every row of `vectors`: average linkage, cut at a cosine `distance`.

    Numbers are given in order of first appearance. Raises ValueError for a row of zeros.
    """
    rows = np.asarray(vectors, float)
    if len(rows) < 2:
        return [0] * len(rows)
    if not np.linalg.norm(rows, axis=1).all():
        raise ValueError("a step was embedded as zeros, which have no direction")
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import pdist

    apart = pdist(rows, "cosine")
    apart[apart < ROUNDING] = 0.0
    labels = fcluster(linkage(apart, "average"), distance, criterion="distance").tolist()
    numbers = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    return [numbers[label] for label in labels]


LAMBDA_S = {16: 1.5, 64: 1.4, 256: 1.45}
"""By width, in the settings of the authors' code for MATH-500."""


def lambda_s_at(width: int) -> float:
    """Of the authors' width that is nearest to this one, by its logarithm; the smaller if two are.

    They chose it by hand for three widths.
    """
    return LAMBDA_S[min(LAMBDA_S, key=lambda known: abs(np.log2(known / width)))]
