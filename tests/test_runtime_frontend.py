"""The light frontend: for the command alone, and never in the way."""

from __future__ import annotations

import json
import subprocess
import sys


def run(code: str) -> dict[str, bool]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded: dict[str, bool] = json.loads(done.stdout.splitlines()[-1])
    return loaded


def test_programs_import_without_torch_and_run() -> None:
    assert run(
        """
import json, sys
from sal.runtime.frontend.light import use_light_frontend
used = use_light_frontend()
import sglang as sgl
from sglang import function, gen
from sglang.lang.api import function as same
from sglang.lang.backend.base_backend import BaseBackend
from sal.runtime.backend import PooledBackend

class Echo(BaseBackend):
    def generate(self, s, sampling_params):
        return s.text_.upper(), {}

@sgl.function
def program(s):
    s += "abc"
    s += gen("out")

print(json.dumps({
    "used": used,
    "again": use_light_frontend(),
    "same": function is same,
    "ran": program.run(backend=Echo())["out"] == "ABC",
    "torch": "torch" in sys.modules,
    "transformers": "transformers" in sys.modules,
}))
"""
    ) == {
        "used": True,
        "again": False,
        "same": True,
        "ran": True,
        "torch": False,
        "transformers": False,
    }


def test_a_host_that_imported_sglang_first_keeps_it() -> None:
    assert run(
        """
import json
import sglang
before = dict(vars(sglang))
from sal.runtime.frontend.light import use_light_frontend
used = use_light_frontend()
import sglang as after
print(json.dumps({
    "used": used,
    "untouched": after is sglang and dict(vars(after)) == before,
    "whole": hasattr(after, "RuntimeEndpoint"),
}))
"""
    ) == {"used": False, "untouched": True, "whole": True}


def test_a_failure_leaves_the_ordinary_import() -> None:
    assert run(
        """
import importlib, json, sys
from sal.runtime.frontend import light as frontend_light
real = importlib.import_module
def broken(name, package=None):
    if name == "sglang.lang.api":
        raise ImportError(name)
    return real(name, package)
frontend_light.importlib.import_module = broken
used = frontend_light.use_light_frontend()
print(json.dumps({"used": used, "left": any(n.startswith("sglang") for n in sys.modules)}))
"""
    ) == {"used": False, "left": False}


def test_the_library_and_the_doctor_import_nothing_heavy() -> None:
    assert run(
        """
import json, sys
import sal.runtime.session, sal.cli.up, sal.cli.down, sal.cli.doctor
names = ("sglang", "torch", "transformers")
print(json.dumps({name: name in sys.modules for name in names}))
"""
    ) == {"sglang": False, "torch": False, "transformers": False}
