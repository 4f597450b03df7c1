"""Look a name up in a table, and suggest the nearest valid one when it is unknown."""

import difflib
from collections.abc import Iterable, Mapping
from typing import TypeVar

from jaxbm.core.checks import told
from jaxbm.core.elsewhere import NAMES, plain, stem
from jaxbm.core.words import some

T = TypeVar("T")
MOST = 60
"""Names that a message lists."""


def unknown(kind: str, name: object, known: Iterable[str]) -> ValueError:
    """The error for an unknown `name`: says what was expected and suggests the nearest valid name."""
    known = sorted(known)
    return ValueError(f"{kind}: unknown name {told(name)}{suggestion(name, known)} (known: {some(known, MOST)})")


def suggestion(name: object, known: Iterable[str], *, cutoff: float = 0.5) -> str:
    """The end of a message that asks whether a known name was meant; empty where none is nearer than `cutoff`.

    Example:
      >>> from jaxbm.core.names import suggestion
      >>> suggestion("BCEWithLogitsLoss", ["perceptron_loss", "sigmoid_binary_cross_entropy"])
      "; did you mean 'sigmoid_binary_cross_entropy'?"
      >>> suggestion("epoch", ["epochs", "patience"]), suggestion("verbose", ["rows"])
      ("; did you mean 'epochs'?", '')
      >>> suggestion("f1_score", ["f1", "brier_score"])
      "; did you mean 'f1'?"
    """
    known = list(known)
    there = NAMES.get(plain(name))
    near = [one for one in there or () if one in known]
    if there is None:
        near = [one for one in known if stem(one) == stem(name)][-1:]
    if not near and (there is None or (there and there[-1])):  # else there is nothing like it here
        near = difflib.get_close_matches(str(name).lower(), known, n=1, cutoff=cutoff)
    return f"; did you mean {near[0]!r}?" if near else ""


def one_of(kind: str, name: object, known: Iterable[str], *, or_none: bool = True) -> None:
    """ValueError where a choice is none of the `known` ones, an array for instance; None leaves it open by default.

    Example:
      >>> from jaxbm.core.names import one_of
      >>> one_of("task", None, ("binary", "regression")), one_of("task", "binary", ("binary", "regression"))
      (None, None)
    """
    if not (name is None and or_none) and not (isinstance(name, str) and name in (known := tuple(known))):
        raise unknown(kind, name, known)


def lookup(kind: str, name: str, table: Mapping[str, T]) -> T:
    """`table[name]`; raises ValueError with a suggestion when `name` is not in it, TypeError when it is no name."""
    if not isinstance(name, str):
        raise TypeError(f"{kind}: expected a name, got {told(name)}")
    if name not in table:
        raise unknown(kind, name, table)
    return table[name]
