"""Small programs natively: against JAX as it is, with its own remedies, and against Numba where that is natural."""

from __future__ import annotations

from dataclasses import replace

from jaxbm.benchmarks.contest import Contest, Contestant, Target, twice
from jaxbm.benchmarks.programs.workload import Case

JIT, SMALL_LOOPS, UNROLLED, NUMBA = "jax.jit", "jax.jit, small loops", "jax.jit, unroll=4", "Numba"
NATIVE = ("llvmlite",)
BEST = (JIT, SMALL_LOOPS, UNROLLED)
REMEDY = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=1000000000"
"""What XLA offers its users against the time between kernels: a loop of less than so many bytes is one kernel."""
# name, title, maker, steps, float64, how many times the best of JAX's, scanned by lax.scan, by Numba too
PROGRAMS = (
    ("kalman", "a Kalman filter, state 4", "inference:kalman", 2_000, False, 20.0, True, True),
    ("mass-matrix", "a robot's mass matrix, float64", "mechanics:mass_matrix", 35, True, 10.0, False, False),
    ("neuron", "Hodgkin-Huxley, value and gradient, float64", "mechanics:neuron", 2_000, True, 4.0, True, False),
    ("solar-system", "N-body, value and gradient, float64", "mechanics:solar_system", 2_000, True, 4.0, True, False),
    ("gaussian-process", "a quasi-separable Gaussian process, value and gradient, float64",
     "inference:gaussian_process", 2_000, True, 2.0, True, False),
    ("cart-pole", "CartPole and its policy", "learning:cart_pole", 1_000, False, 3.0, True, False),
    ("cart-pole-64", "64 CartPoles and their policy", "learning:cart_poles", 500, False, 5.0, True, False),
    ("scalars", "60 scalars, gradient", "inference:scalars", 600, False, 2.5, True, False),
    ("lorenz-float32", "Lorenz by Runge-Kutta, float32", "mechanics:lorenz_float32", 2_000, False, 0.9, True, False),
    ("lorenz-float64", "Lorenz by Runge-Kutta, float64", "mechanics:lorenz_float64", 2_000, True, 2.0, True, True),
    ("mlp", "MLP 20-64-32-1, optax.adam, batch 32", "learning:mlp", 2_000, False, 3.0, True, False),
    ("mlp-layer-norm", "the same with LayerNorm", "learning:mlp_layer_norm", 2_000, False, 3.5, True, False),
    ("mlp-quantile", "the same, pinball, clipped AdamW", "learning:mlp_quantile", 2_000, False, 3.0, True, False),
    ("ppo", "proximal policy optimization", "learning:ppo", 160, False, 3.0, True, False),
    ("mala", "MALA, logistic regression", "inference:mala", 1_000, False, 1.5, True, False),
    ("hmc", "HMC, ten leaps, logistic regression", "inference:hmc", 300, False, 1.5, True, False),
    ("lstm", "LSTM of 32 units, batch 16", "learning:lstm", 200, False, 1.5, True, False),
)  # fmt: skip
# name, title, steps, scanned by lax.scan
EDGES = (
    ("tanh", "a scalar through tanh each step", 2_000, True),
    ("erf", "a scalar through erf each step", 2_000, True),
    ("log1p", "a scalar through log1p each step", 2_000, True),
    ("power", "a scalar through a power of 0.3 each step", 2_000, True),
    ("cube-root", "a scalar through a cube root each step", 2_000, True),
    ("pendulum", "a pendulum by Runge-Kutta, its state an array", 2_000, True),
    ("pendulum-of-scalars", "the same, its state a tuple", 2_000, True),
    ("v-trace", "V-trace", 2_000, True),
    ("largest", "the ten largest of 10,000", 1, False),
    ("largest-of-rows", "the five largest of each of 200 rows of 100", 1, False),
    ("places", "the place of the largest in each of 6,000 rows of 50", 1, False),
    ("layers", "layers of 96 units, batch 96, tanh", 20, True),
)
"""Of which native code gains little; nothing is to take much longer."""


def edges() -> list[Contest]:
    """A contest for each program of which native code gains little."""
    return [
        replace(
            _contest(name, title, f"edges:{name.replace('-', '_')}", steps, False, 0.9, scans, False),
            selections=("edges",),
        )
        for name, title, steps, scans in EDGES
    ]


def programs() -> list[Contest]:
    """A contest for each program, and two for the call itself."""
    return [*(_contest(*row) for row in PROGRAMS), _call(1, 1_000), _call(60, 100)]


def _contest(
    name: str, title: str, make: str, steps: int, x64: bool, factor: float, scans: bool, in_numba: bool
) -> Contest:
    entries = [
        *twice("programs.jobs:accelerated", requires=NATIVE),
        Contestant(JIT, "programs.jobs:jitted"),
        Contestant(SMALL_LOOPS, "programs.jobs:jitted", env={"XLA_FLAGS": REMEDY}),
    ]
    if scans:
        entries.append(Contestant(UNROLLED, "programs.jobs:jitted", {"unroll": 4}))
    if in_numba:
        entries.append(Contestant(NUMBA, "programs.jobs:numba", requires=("numba",)))
    peers = BEST if scans else BEST[:2]
    return Contest(
        f"program-{name}",
        title,
        Case(name, make, steps, x64),
        tuple(entries),
        ("programs", "full"),
        tuple(Target(f"{title}, against {peer}", factor, against=peer) for peer in peers),
        rounds=21,
        budget=3.0,
    )


def _call(arguments: int, calls: int) -> Contest:
    shared = {"arguments": arguments}
    entries = (
        *twice("programs.jobs:call", {"native": True, **shared}, requires=NATIVE),
        Contestant(JIT, "programs.jobs:call", {"native": False, **shared}),
    )
    name, title = "call", "a call that adds one to three numbers"
    if arguments > 1:
        name, title = f"call-{arguments}", f"the same for each of {arguments} arguments"
    case = Case(name, "jobs:call", calls, unit="call")
    return Contest(f"program-{name}", title, case, entries, ("programs", "full"), rounds=21)
