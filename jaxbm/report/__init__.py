"""What people look at: tables on the terminal, and one HTML file for a whole run."""

from jaxbm.report.page import html

__all__ = ["html"]
