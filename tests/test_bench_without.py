"""What `just bench without` takes away is there to be taken away."""

from __future__ import annotations

from functools import reduce
from importlib import import_module

import pytest

from bench.without import CLIENT, SERVER, Without
from sal.runtime.hardware import Hardware
from sal.runtime.plan import make_plan
from sal.tiny.paths import POLICY, PRM


@pytest.mark.parametrize("name", CLIENT)
def test_a_technique_of_the_client_has_its_name(name: str) -> None:
    lacking = CLIENT[name]
    found = reduce(getattr, lacking.name.split("."), import_module(lacking.module))
    assert callable(found)
    assert callable(lacking.instead)


@pytest.mark.parametrize("lack", SERVER, ids=lambda lack: lack.what)
def test_a_server_lacks_what_the_plan_gives_it(lack: Without) -> None:
    spec = make_plan(Hardware((), (0, 1), 1 << 34), str(POLICY), str(PRM)).servers[lack.role]
    other = lack.of(spec)
    assert set(lack.variables) <= set(spec.env)
    assert not set(lack.variables) & set(other.env)
    assert set(lack.less) <= set(spec.argv)
    assert not set(lack.less) & set(other.argv)
    assert other != spec
