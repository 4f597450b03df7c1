"""Which features belong together: the columns of a table, or groups of one's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from jaxbm.core.names import unknown
from jaxbm.understand.predictor import Predictor

Groups = dict[str, list[int]]


def groups_of(predictor: Predictor, width: int, chosen: Any = None) -> Groups:
    """`{name: places among the features}`: what is permuted, replaced or told together.

    Args:
      predictor: with a preparation, each column of its table is one group; else each feature is, called x0, x1, ...
      width: how many features there are.
      chosen: None for all; a list of the columns' names (or the features' numbers), or `{name: places}` of one's own.

    Raises:
      ValueError: a name is unknown, or a place is no feature.
    """
    if isinstance(chosen, Mapping):
        if not chosen:
            raise ValueError("columns: expected at least one group of features, got none")
        return {str(name): _places(str(name), places, width) for name, places in chosen.items()}
    prep = predictor.preparation
    known = {f"x{i}": [i] for i in range(width)} if prep is None else prep.groups()
    if chosen is None:
        return known
    if isinstance(chosen, str | int | np.integer) or not isinstance(chosen, Sequence | np.ndarray):
        chosen = [chosen]
    if prep is not None:
        for column in prep.dropped:
            if column.name in [name for name in chosen if name not in known]:
                raise ValueError(
                    f"columns: {column.name!r} is no feature of this model, since training left it out "
                    f"({column.kind}: {column.why})"
                )
    return dict(_one(name, known, width) for name in chosen)


def _one(name: Any, known: Groups, width: int) -> tuple[str, list[int]]:
    if isinstance(name, int | np.integer):
        places = _places(f"feature {name}", [name], width)
        return next((item for item in known.items() if item[1] == places), (f"x{places[0]}", places))
    if name not in known:
        raise unknown("columns", name, known)
    return name, known[name]


def _places(name: str, places: Any, width: int) -> list[int]:
    found = np.atleast_1d(np.asarray(places))
    if found.ndim != 1 or found.dtype.kind not in "iu" or not found.size:
        raise ValueError(f"columns: expected places of features for {name!r}, got shape {list(found.shape)}")
    if found.min() < 0 or found.max() >= width:
        raise ValueError(f"columns: expected places 0 to {width - 1} for {name!r}, got {int(found.max())}")
    return [int(i) for i in found]
