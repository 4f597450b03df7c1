"""Other libraries' programs by `jaxbm.accelerate`, which is one more line in them, against `jax.jit`."""

from __future__ import annotations

from jaxbm.benchmarks.contest import Contest, Contestant, twice
from jaxbm.benchmarks.contests.programs import JIT, NATIVE
from jaxbm.benchmarks.programs.workload import Case

# library, maker, title, steps, float64
PROGRAMS = (
    ("blackjax", "nuts", "BlackJAX: NUTS, eight weights of a logistic regression", 200, False),
    ("blackjax", "hmc", "BlackJAX: HMC, ten leaps, the same", 200, False),
    ("blackjax", "mala", "BlackJAX: MALA, the same", 200, False),
    ("dynamax", "linear_filter", "Dynamax: Kalman filter, four states", 300, False),
    ("dynamax", "linear_smoother", "Dynamax: Kalman smoother", 300, False),
    ("dynamax", "linear_gradient", "Dynamax: gradient of the filter's likelihood", 300, False),
    ("dynamax", "extended_filter", "Dynamax: extended Kalman filter, two states", 300, False),
    ("dynamax", "poisson_hmm", "Dynamax: Poisson HMM of four states, filter", 200, False),
    ("dynamax", "gaussian_hmm", "Dynamax: Gaussian HMM of four states, gradient", 200, False),
    ("gymnax", "cart_pole", "Gymnax: CartPole, actions at random", 200, False),
    ("gymnax", "pendulum", "Gymnax: Pendulum, actions at random", 200, False),
    ("gymnax", "breakout", "Gymnax: Breakout, actions at random", 200, False),
    ("diffrax", "tsit5", "Diffrax: Tsit5 on the Lorenz system, its own steps", 1, False),
    ("diffrax", "tsit5_of_64", "Diffrax: the same from 64 starts under vmap", 1, False),
    ("diffrax", "constant_steps", "Diffrax: the same from one, 200 constant steps", 1, False),
    ("tinygp", "quasi_separable", "tinygp: quasi-separable process, likelihood and gradient, float64", 200, True),
)
NAMES = tuple(dict.fromkeys(row[0] for row in PROGRAMS))


def libraries() -> list[Contest]:
    """A contest for each."""
    return [_contest(*row) for row in PROGRAMS]


def _contest(library: str, make: str, title: str, steps: int, x64: bool) -> Contest:
    name = f"library-{library}-{make.replace('_', '-')}"
    case = Case(name, f"libraries:{make}", steps, x64, "step" if steps > 1 else "solution")
    ours = twice("programs.jobs:accelerated", requires=(*NATIVE, library))
    entries = (*ours, Contestant(JIT, "programs.jobs:jitted", requires=(library,)))
    return Contest(name, title, case, entries, ("libraries",), rounds=21, budget=2.0)
