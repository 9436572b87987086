"""Stands in for SGLang's CUDA kernels where there is no CUDA.

SGLang imports `sgl_kernel` and its submodules by name all over, whatever the device; on a CPU it
calls none of them. So every name resolves, here and in every submodule, to an object that can be
stored, hashed and asked for attributes, and that says what is wrong when it is called.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import NoReturn


class _Absent:
    """A kernel that is not here."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> _Absent:
        if name.startswith("__"):  # let inspection and copying see a plain object
            raise AttributeError(name)
        return _Absent(f"{self._name}.{name}")

    def __call__(self, *_: object, **__: object) -> NoReturn:
        raise RuntimeError(
            f"{self._name} is a CUDA kernel, and this server runs on the CPU: "
            "the model or a server flag needs a GPU"
        )

    def __repr__(self) -> str:
        return f"<absent kernel {self._name}>"


class _Module(ModuleType):
    def __getattr__(self, name: str) -> _Absent:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Absent(f"{self.__name__}.{name}")


class _Submodules(MetaPathFinder, Loader):
    """Finds every `sgl_kernel.anything.below`."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.startswith(f"{__name__}."):
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


sys.meta_path.insert(0, _Submodules())
sys.modules[__name__].__class__ = _Module
