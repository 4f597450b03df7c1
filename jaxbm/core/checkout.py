"""Where kernels and benchmarks stand in a checkout.

An installation puts both inside the package. In the root of a checkout Python finds the tree's own `jaxbm` first, and
they stand beside it: there they are found all the same, so that `import jaxbm` and `python -m pytest` work.
"""

import importlib.util
import pathlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

ROOT = pathlib.Path(__file__).parents[2]
BESIDE = {f"jaxbm.{name}": ROOT / name for name in ("kernels", "benchmarks")}


class Beside(MetaPathFinder):
    """Finds the packages of `BESIDE`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The package's spec, or None for every other name."""
        if fullname not in BESIDE:
            return None
        folder = BESIDE[fullname]
        return importlib.util.spec_from_file_location(
            fullname, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )


def install() -> None:
    """Find them from now on, if this is a checkout; an installed package is left alone."""
    is_checkout = (ROOT / "pyproject.toml").exists() and all((f / "__init__.py").exists() for f in BESIDE.values())
    if is_checkout and not any(isinstance(finder, Beside) for finder in sys.meta_path):
        sys.meta_path.insert(0, Beside())
