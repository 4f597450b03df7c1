"""The table of native primitives in the documentation is the registry's."""

import pathlib

from jaxbm.kernels.program.registry import RULES
from jaxbm.kernels.program.traced import markdown

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "native.md"


def test_the_table_is_the_registry():
    assert PAGE.read_text().split("## Native primitives\n\n")[1].strip() == markdown()
    assert all(f"`{name}`" in markdown() for name in RULES if name != "jaxbm_program")
