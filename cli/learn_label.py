"""`sal learn label`: step labels."""

from __future__ import annotations


def label() -> None:
    """Label the steps of solutions by rollouts, or bring in labels that are there."""
