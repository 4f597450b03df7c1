"""Outputs and labels of the forms that each metric reads, made of plain scores and of labels that are 0 and 1."""

import numpy as np

#: Of those that read other than an output and a label in each row.
FORMS = {
    "poisson_deviance": lambda scores, y: (np.exp(scores), y),
    "gamma_deviance": lambda scores, y: (np.exp(scores), y + 1),
    "crps": lambda scores, y: (np.stack([scores, 0 * scores], axis=-1), y),
    "concordance_index": lambda scores, y: (scores, np.stack([2 - y, y], axis=-1)),
}


def inputs_of(name, scores, y):
    return FORMS.get(name, lambda *same: same)(scores.astype(np.float32), np.asarray(y, np.float32))
