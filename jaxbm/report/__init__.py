"""What people look at: tables on the terminal, and one HTML file for a whole run."""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached
from jaxbm.report.page import html

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = ["html"]
