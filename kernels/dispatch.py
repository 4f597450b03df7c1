"""The one place that decides which implementation of a training run is used, and can say why."""

from jaxbm.names import unknown

#: Every implementation name `fit` knows, with the reason why it can't run; None where it can.
IMPLEMENTATIONS: dict[str, str | None] = {
    "xla": None,
    "cpu": "this version holds no native CPU kernel",
    "mosaic_gpu": "this version holds no Mosaic GPU kernel",
    "tpu": "this version holds no TPU kernel",
}


def choose(implementation: str | None = None) -> str:
    """The implementation that will run: the fastest valid one for None, else the named one.

    Raises:
      ValueError: the name is unknown.
      NotImplementedError: the named implementation can't run here; a named one never falls back silently.

    Example:
      >>> import jaxbm
      >>> jaxbm.kernels.choose(None)
      'xla'
    """
    if implementation is None:
        return "xla"
    if implementation not in IMPLEMENTATIONS:
        raise unknown("implementation", implementation, IMPLEMENTATIONS)
    reason = IMPLEMENTATIONS[implementation]
    if reason is not None:
        raise NotImplementedError(f"implementation={implementation!r}: {reason}; use None or 'xla'")
    return implementation


def explain(implementation: str | None = None) -> str:
    """One line: which implementation `choose` takes, and why the others are off.

    Example:
      >>> import jaxbm
      >>> jaxbm.kernels.explain().split(";")[0]
      'xla runs'
    """
    chosen = choose(implementation)
    off = [f"{name} is off: {reason}" for name, reason in IMPLEMENTATIONS.items() if reason]
    return "; ".join([f"{chosen} runs", *off])


def status() -> dict[str, str]:
    """Every implementation with "on", or the reason why it is off."""
    return {name: reason or "on" for name, reason in IMPLEMENTATIONS.items()}
