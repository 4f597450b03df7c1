"""What the kernel knows by name, read from its own source: the one list of it."""

import re
from functools import cache
from pathlib import Path

DEVICE = Path(__file__).parent / "device"
"""The kernel's source: it travels with the package, since it is compiled where it runs."""


@cache
def sources() -> dict[str, str]:
    """Each file's text."""
    return {path.name: path.read_text() for path in sorted(DEVICE.iterdir()) if path.suffix in (".h", ".cu")}


@cache
def codes(kind: str) -> dict[str, str]:
    """What the kernel calls each activation, loss or optimizer that it knows.

    Example:
      >>> from jaxbm.kernels.cuda.vocabulary import codes
      >>> codes("OPTIMIZERS")
      {'sgd': 'kSgd', 'adam': 'kAdam'}
    """
    table = sources()["vocabulary.h"].partition(f"#define JAXBM_{kind}(X)")[2].partition("\n\n")[0]
    return dict(re.findall(r"X\((\w+), (\w+)\)", table))
