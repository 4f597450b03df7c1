"""Whether a class or function that spells its options out keeps up with their one description."""

import inspect

from jaxbm.run.options import OPTIONS

#: What an estimator decides itself: its labels and rows come with `fit`, its loss and metrics follow from the task.
DECIDED_BY_ESTIMATORS = frozenset(
    {
        "loss", "metrics", "rows", "validation_split", "validation_data", "validation_rows", "sample_weight",
        "class_weight", "params", "opt_state",
    }
)  # fmt: skip


def missing_options(taker, renamed=(), decided=DECIDED_BY_ESTIMATORS):
    """Options of a training run that `taker` should have under their own names, and hasn't."""
    taken = set(inspect.signature(taker).parameters)
    return sorted(set(OPTIONS) - taken - set(decided) - set(renamed))
