"""Who else trains MLPs, each in one short file, each written as its own users would write it.

A peer's `job(workload)` returns a `Job` whose timed call trains from fresh parameters (Glorot uniform, zero biases)
with Adam for the workload's epochs, and whose curves are the mean training loss of each epoch, as ours are, and the
validation loss at the end of each where the workload has validation rows.
"""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)
