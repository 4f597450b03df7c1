"""From a table to arrays: read, clean, split, impute, encode, scale; told to the user, saved, applied again.

Everything here runs on the host. pandas and scikit-learn are imported where they are used, so that importing this
package costs nothing.
"""

from typing import TYPE_CHECKING

from jaxbm.core.lazy import attached
from jaxbm.table.columns import Column
from jaxbm.table.demos import DEMOS, demo, from_arrays
from jaxbm.table.encoding import MAX_CATEGORIES
from jaxbm.table.files import read
from jaxbm.table.preparation import Preparation
from jaxbm.table.preparing import prepare
from jaxbm.table.splitting import split, split_summary, validation_rows, within_groups
from jaxbm.table.target import MAX_CLASSES, TASKS, labelled, task_of
from jaxbm.table.types_file import read_types, types_of, types_text

if not TYPE_CHECKING:  # its modules, imported when asked for
    __getattr__, __dir__ = attached(__name__)

__all__ = [
    "DEMOS",
    "MAX_CATEGORIES",
    "MAX_CLASSES",
    "TASKS",
    "Column",
    "Preparation",
    "demo",
    "from_arrays",
    "labelled",
    "prepare",
    "read",
    "read_types",
    "split",
    "split_summary",
    "task_of",
    "types_of",
    "types_text",
    "validation_rows",
    "within_groups",
]
