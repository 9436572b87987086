"""Imports SGLang's frontend without its server half: under a second instead of ten.

`import sglang` loads torch and transformers; the frontend language needs neither. For the `sal`
command alone: a library must leave its host's `sglang` as it is.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType


def use_light_frontend() -> bool:
    """Make `import sglang` give the frontend only; say whether that was done.

    Does nothing when sglang is imported already, and undoes itself when anything goes wrong: the
    next import is then the ordinary one.
    """
    if "sglang" in sys.modules:
        return False
    try:
        spec = importlib.util.find_spec("sglang")
        if spec is None or not spec.submodule_search_locations:
            return False
        module = ModuleType("sglang", "SGLang's frontend language, without the server's modules.")
        module.__path__ = list(spec.submodule_search_locations)
        module.__spec__ = spec
        module.__file__ = spec.origin
        sys.modules["sglang"] = module
        api = importlib.import_module("sglang.lang.api")
        importlib.import_module("sglang.lang.backend.base_backend")
        for name, value in vars(api).items():
            if not name.startswith("_"):
                setattr(module, name, value)
    except Exception:
        for name in [name for name in sys.modules if name.partition(".")[0] == "sglang"]:
            del sys.modules[name]
        return False
    return True
