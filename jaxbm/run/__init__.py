"""What a training run is, and the loop that describes it in plain JAX."""

from typing import TYPE_CHECKING

from jaxbm.core import lazy

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = lazy.attached(__name__)
