"""The primitives of JAX that programs can hold: by name, each with the parameters that its rule understands.

A rule gets the tracer, the equation and its operands, and adds nodes to the program. It is an allow-list: a
primitive or a parameter that isn't named here, say of a later version of JAX, is not native.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxbm.kernels.program.ir import NotNative, Value

if TYPE_CHECKING:
    from jaxbm.kernels.program.trace import Tracer

Apply = Callable[["Tracer", Any, list[Value]], Sequence[Value]]

PLACEMENT = ("sharding", "out_sharding", "layout")
"""Parameters of many primitives that don't matter within one device."""
DEFAULT_ONLY = ("accuracy", "out_dtype")
"""Parameters of many primitives that are native as None, their default, alone; but see `HIGHEST`."""
HIGHEST = "HIGHEST"
"""The mode of `accuracy` that asks for the most accurate implementation there is: each function has one only here."""

INSIDE = ("jaxpr", "branches", "cond_jaxpr", "call_jaxpr", "fun_jaxpr", "native")
"""Parameters that hold functions: their effects are those of equations inside, which are judged one by one."""


class Rule(NamedTuple):
    """How one primitive is traced, under which heading it stands in the documentation, and what is said of it."""

    apply: Apply
    kind: str
    params: frozenset[str]
    note: str


RULES: dict[str, Rule] = {}
_FOREIGN: list[Callable[[Any], Rule | None]] = []


def foreign(find: Callable[[Any], Rule | None]) -> Callable[[Any], Rule | None]:
    """Register what finds the rules of primitives that aren't JAX's, for an equation."""
    _FOREIGN.append(find)
    return find


def rule(*names: str, kind: str, params: Collection[str] = (), note: str = "") -> Callable[[Apply], Apply]:
    """Register a rule for primitives of these names."""

    def register(apply: Apply) -> Apply:
        for name in names:
            RULES[name] = Rule(apply, kind, frozenset((*params, *PLACEMENT, *DEFAULT_ONLY)), note)
        return apply

    return register


def rule_for(eqn: Any) -> Rule:
    """The rule of an equation's primitive.

    Raises:
      NotNative: there is none, or the equation has effects or parameters that the rule doesn't know.
    """
    name = eqn.primitive.name
    found = RULES.get(name) or next(filter(None, (find(eqn) for find in _FOREIGN)), None)
    if found is None:
        raise NotNative("it has no native counterpart", name)
    unknown = set(eqn.params) - found.params
    if unknown:
        raise NotNative(f"parameter {sorted(unknown)[0]!r} is of a version of JAX that isn't known here", name)
    for default in DEFAULT_ONLY:
        value = eqn.params.get(default)
        if value is not None and not (default == "accuracy" and getattr(value, "name", None) == HIGHEST):
            raise NotNative(f"{default}={eqn.params[default]}", name)
    if eqn.effects and found.params.isdisjoint(INSIDE):
        raise NotNative("it has side effects", name)
    return found
