"""Small programs of the kind that people run by the thousand: each a plain JAX function, as its field writes it.

A workload is a function of no arguments that gives the function, its arguments and its numbers of steps. `unroll` is
`lax.scan`'s, so that JAX can be timed with the remedy that its users know.
"""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)
