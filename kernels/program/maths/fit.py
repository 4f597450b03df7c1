"""Makes the polynomial coefficients of `tables`: run as a module, it prints that file anew.

Each table approximates what is left of a function when its leading terms are taken off, so that those stay exact. The
polynomial interpolates at the Chebyshev points of the interval, which is within a small factor of the best possible
(Trefethen, Approximation Theory and Approximation Practice, 2013, chapter 8), and is computed with 80 digits by
mpmath, which only this file needs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

try:
    import mpmath as mp
except ModuleNotFoundError:  # the tables are committed, so only who changes them needs it
    mp = None


class Table(NamedTuple):
    """What a table approximates: a function, an interval, and the degree for float32 and float64."""

    function: Callable[[Any], Any]
    low: float
    high: float
    float32: int | None
    float64: int | None
    formula: str


def _of_square(f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """(f(x) - x) / x**3 of z = x**2, for odd functions."""
    return lambda z: (f(mp.sqrt(z)) - mp.sqrt(z)) / mp.sqrt(z) ** 3


def _inverse_of_erf(w: Any) -> Any:
    """erf_inv(y) / y where w = -log(1 - y**2)."""
    y = mp.sqrt(1 - mp.exp(-w))
    guess = mp.sqrt(w) if w > 1 else y
    x = mp.findroot(lambda x: mp.log(mp.erfc(x)) - mp.log(mp.exp(-w) / (1 + y)), guess) if w > 0.5 else mp.erfinv(y)
    return x / y


def _scaled_erfc(x: Any) -> Any:
    return (1 + 2 * x) * mp.exp(x**2) * mp.erfc(x) - 1


def _psi_root() -> Any:
    return mp.findroot(mp.digamma, 1.4616)


def _stirling(z: Any) -> Any:
    x = 1 / mp.sqrt(z)
    return (mp.loggamma(x) - (x - 0.5) * mp.log(x) + x - mp.log(2 * mp.pi) / 2) * x


def _digamma_tail(z: Any) -> Any:
    x = 1 / mp.sqrt(z)
    return (mp.log(x) - 1 / (2 * x) - mp.digamma(x)) * x * x


TABLES = {
    "EXP": Table(lambda r: (mp.expm1(r) - r) / r**2, -0.3468, 0.3468, 4, 9, "(e^r - 1 - r) / r^2"),
    "EXP2": Table(lambda r: (mp.mpf(2) ** r - 1) / r, -0.5, 0.5, 6, 11, "(2^r - 1) / r"),
    "LOG": Table(
        lambda t: (mp.log1p(t) - t + t**2 / 2) / t**3, -0.2929, 0.4143, 9, None, "(log(1 + t) - t + t^2/2) / t^3"
    ),
    "LOG_ATANH": Table(
        lambda z: (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z,
        0,
        0.02945,
        3,
        6,
        "(2 atanh(s) / s - 2) / s^2 of s^2",
    ),
    "LOG_ATANH_TAIL": Table(
        lambda z: ((mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z - mp.mpf(1) / 3) / z,
        0,
        0.02945,
        None,
        7,
        "((atanh(s) / s - 1) / s^2 - 1/3) / s^2 of s^2",
    ),
    "LOG2_WIDE": Table(lambda t: mp.log1p(t) / mp.log(2) / t, -0.2929, 0.4143, None, 14, "log2(1 + t) / t"),
    "SIN": Table(_of_square(lambda x: mp.sin(x)), 0, 0.66, 3, 6, "(sin r - r) / r^3 of r^2"),
    "COS": Table(lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, 0, 0.66, 2, 5, "(cos r - 1 + r^2/2) / r^4"),
    "TAN": Table(_of_square(lambda x: mp.tan(x)), 0, 0.66, 6, 14, "(tan r - r) / r^3 of r^2"),
    "ASIN": Table(_of_square(lambda x: mp.asin(x)), 0, 0.25, 5, 12, "(asin x - x) / x^3 of x^2"),
    "ATAN": Table(_of_square(lambda x: mp.atan(x)), 0, 0.1915, 4, 11, "(atan x - x) / x^3 of x^2"),
    "SINH": Table(_of_square(lambda x: mp.sinh(x)), 0, 1, 3, 7, "(sinh x - x) / x^3 of x^2"),
    "TANH": Table(_of_square(lambda x: mp.tanh(x)), 0, 0.37, 5, 11, "(tanh x - x) / x^3 of x^2"),
    "ERF": Table(lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1, 0, 1, 6, 12, "erf(x) / x - 1 of x^2"),
    "LOG_ERFC": Table(lambda x: mp.log(mp.erfc(x)), 0.98, 4.0, 8, None, "log erfc(x)"),
    "ERFCX": Table(
        lambda q: _scaled_erfc(4 * (1 + q) / (1 - q)),
        -0.8,
        0.76,
        11,
        24,
        "(1 + 2x) exp(x^2) erfc(x) - 1 of (x - 4) / (x + 4)",
    ),
    "ERF_INV_NEAR": Table(_inverse_of_erf, 1e-9, 5, 10, 10, "erf_inv(y) / y of w = -log(1 - y^2)"),
    "ERF_INV_FAR": Table(lambda t: _inverse_of_erf((t + 3) ** 2), -0.765, 1.1, 12, None, "of sqrt(w) - 3"),
    "ERF_INV_FARTHER": Table(
        lambda t: _inverse_of_erf((t + 4) ** 2), -1.765, 2.1, None, 10, "the same of sqrt(w) - 4"
    ),
    "LGAMMA_ONE": Table(lambda t: mp.loggamma(1 + t) / t, -0.5, 0.5, 13, 30, "lgamma(1 + t) / t"),
    "LGAMMA_TWO": Table(lambda t: mp.loggamma(2 + t) / t, -0.5, 0.5, 8, 19, "lgamma(2 + t) / t"),
    "STIRLING": Table(_stirling, 1e-9, 1 / 64, 2, 7, "x (lgamma(x) - (x - 1/2) log x + x - log(2 pi)/2)"),
    "DIGAMMA_ROOT": Table(
        lambda t: mp.digamma(t + 1.5) / (t + 1.5 - _psi_root()),
        -0.5,
        0.5,
        10,
        23,
        "digamma(x) / (x - root)",
    ),
    "DIGAMMA_TAIL": Table(_digamma_tail, 1e-9, 1 / 64, 2, 7, "x^2 (log x - 1/(2x) - digamma x) of 1/x^2"),
}


def coefficients(table: Table, degree: int) -> list[Any]:
    """Of the interpolating polynomial, the constant one first (Newton's divided differences, then expanded)."""
    n = degree + 1
    low, high = mp.mpf(table.low), mp.mpf(table.high)
    nodes = [(low + high) / 2 + (high - low) / 2 * mp.cos((2 * k + 1) * mp.pi / (2 * n)) for k in range(n)]
    # Where the formula would be 0 / 0, a neighbour so near that only the last of the digits differ.
    nodes = [x if abs(x) > 1e-18 else mp.mpf("1e-18") for x in nodes]
    differences = [table.function(x) for x in nodes]
    for level in range(1, n):
        for k in range(n - 1, level - 1, -1):
            differences[k] = (differences[k] - differences[k - 1]) / (nodes[k] - nodes[k - level])
    result = [differences[-1]]
    for k in range(n - 2, -1, -1):
        shifted = [mp.mpf(0), *result]
        result = [s - nodes[k] * c for s, c in zip(shifted, [*result, mp.mpf(0)], strict=True)]
        result[0] += differences[k]
    return result


def main() -> None:
    """Print the tables as Python."""
    if mp is None:
        raise SystemExit("making the coefficients anew needs mpmath: pip install mpmath")
    mp.mp.dps = 80
    print('"""Coefficients of the approximations, the constant term first; `fit` says how they are made."""\n')
    print("# fmt: off\n")
    for name, table in TABLES.items():
        print(f"# {table.formula}, on [{table.low:.6g}, {table.high:.6g}]")
        for bits, degree in ((32, table.float32), (64, table.float64)):
            if degree is not None:
                numbers = [mp.nstr(c, 11 if bits == 32 else 20) for c in coefficients(table, degree)]
                lines = [", ".join(numbers[k : k + 4]) for k in range(0, len(numbers), 4)]
                print(f"{name}_{bits} = (\n    " + ",\n    ".join(lines) + ",\n)")


if __name__ == "__main__":
    main()
