"""sal: search and learn on SGLang. The rooms are `sal.programs`, `sal.strategies`, and so on."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("sal-sglang")
except PackageNotFoundError:  # a checkout on the path that was never installed
    __version__ = "0.0.0"

__all__ = ["__version__"]
