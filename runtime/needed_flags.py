"""Flags without which a model is not served, put into a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sal.runtime.plan import Plan, Role, parse_flags

_RUST_SERVER = "SGLANG_RUST_SERVER"


def with_needed_flags(plan: Plan, role: Role, args: Sequence[str], reason: str = "") -> Plan:
    """`plan` in which the server of `role` also gets `args`, of which the user's own flags win.

    A server of embeddings is SGLang's in Python: the one in Rust has no route for them.
    """
    spec = plan.servers.get(role)
    if spec is None or not (args or reason):
        return plan
    flags = {name: v for name, v in parse_flags(args).items() if name not in spec.argv}
    words = tuple(word for name, values in flags.items() for word in (name, *values))
    env = dict(spec.env)
    if "--is-embedding" in (*spec.argv, *words):
        env.pop(_RUST_SERVER, None)
    changed = replace(
        spec,
        argv=(*spec.argv, *words),
        env=env,
        reasons=(*spec.reasons, *filter(None, [reason])),
        overrides=(*spec.overrides, *words),
    )
    return replace(plan, servers={**plan.servers, role: changed})
