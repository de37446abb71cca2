"""The folder is the registry: `discover(package)` gives its modules, in a fixed order."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType


def discover(package: str) -> dict[str, ModuleType]:
    """Import every module of `wellkept.<package>`, by name, in alphabetical order."""
    folder = importlib.import_module(f"wellkept.{package}")
    names = sorted(info.name for info in pkgutil.iter_modules(folder.__path__))
    return {name: importlib.import_module(f"{folder.__name__}.{name}") for name in names}
