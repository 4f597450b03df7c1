"""Time per epoch of `jaxbm.fit` against a plain JAX scan, and of our permutation against `jax.random.permutation`.

The 20-64-32-1 network, 16,000 random rows, batch 32, Adam. Contestants take turns, round by round, on the same
data in one process; the clock never sees a compilation, which would end the run with an error. A contestant is also
timed against itself (A/A): a difference below that noise means nothing.

    python benchmarks/training.py --rounds 15 --out benchmarks/results/training.json
"""

import argparse
import json
import platform
import statistics
import time
from importlib.metadata import version

import jax
import jax.numpy as jnp
import numpy as np
import optax

import jaxbm

ROWS, BATCH, EPOCHS = 16_000, 32, 5
MODEL = jaxbm.MLP((20, 64, 32, 1))
LOSS = "sigmoid_binary_cross_entropy"


def data():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, 20)).astype(np.float32)
    y = (x @ rng.standard_normal(20) + 0.5 * rng.standard_normal(ROWS) > 0).astype(np.float32)
    return jnp.asarray(x), jnp.asarray(y)


@jax.jit
def plain_scan(key, x, y):
    """What a good JAX user writes: a scan over batches, Optax, the framework's own permutation."""
    optimizer = optax.adam(1e-3)
    params = MODEL.init(key)

    def objective(params, rows):
        return optax.sigmoid_binary_cross_entropy(MODEL.apply(params, x[rows])[:, 0], y[rows]).mean()

    def step(carry, rows):
        params, state = carry
        loss, grads = jax.value_and_grad(objective)(params, rows)
        updates, state = optimizer.update(grads, state, params)
        return (optax.apply_updates(params, updates), state), loss

    def epoch(carry, key):
        carry, losses = jax.lax.scan(step, carry, jax.random.permutation(key, ROWS).reshape(-1, BATCH))
        return carry, losses.mean()

    (params, _), losses = jax.lax.scan(epoch, (params, optimizer.init(params)), jax.random.split(key, EPOCHS))
    return params, losses


def fit(key, x, y):
    return jaxbm.fit(key, MODEL, x, y, loss=LOSS, optimizer=jaxbm.adam(1e-3), epochs=EPOCHS, batch_size=BATCH)


def timed(function, *arguments):
    began = time.perf_counter()
    jax.block_until_ready(function(*arguments))
    return time.perf_counter() - began


def compare(contestants, rounds):
    """Interleaved rounds: `{name: {"first": s, "median": s, "low": s, "high": s}}`, quartiles as low and high."""
    first = {name: timed(function, *arguments) for name, (function, *arguments) in contestants.items()}
    times = {name: [] for name in contestants}
    compilations = []

    def listen(event, duration_secs, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            compilations.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    for _ in range(rounds):
        for name, (function, *arguments) in contestants.items():
            times[name].append(timed(function, *arguments))
    if compilations:
        raise RuntimeError(f"{len(compilations)} compilations while the clock ran")
    figures = {}
    for name, values in times.items():
        low, median, high = statistics.quantiles(values, n=4)
        figures[name] = {"first": first[name], "median": median, "low": low, "high": high}
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out")
    arguments = parser.parse_args()
    key, (x, y) = jax.random.key(0), data()
    ours = jax.jit(lambda k: jaxbm.shuffle.permutation(k, ROWS))
    theirs = jax.jit(lambda k: jax.random.permutation(k, ROWS))
    contestants = {
        "fit": (fit, key, x, y),
        "fit again (A/A)": (fit, key, x, y),
        "plain scan": (plain_scan, key, x, y),
        "jaxbm permutation": (ours, key),
        "jax.random permutation": (theirs, key),
    }
    figures = compare(contestants, arguments.rounds)
    losses = [float(fit(key, x, y).history["loss"][-1]), float(plain_scan(key, x, y)[1][-1])]
    record = {
        "schema": 1,
        "machine": {"cpu": platform.processor() or platform.machine(), "device": str(jax.devices()[0])},
        "versions": {name: version(name) for name in ("jax", "jaxlib", "optax", "numpy")},
        "rounds": arguments.rounds,
        "epochs per call": EPOCHS,
        "seconds per call": figures,
        "last losses (fit, plain scan)": losses,
        "ratios": {
            "fit / plain scan": figures["fit"]["median"] / figures["plain scan"]["median"],
            "fit / fit (A/A)": figures["fit"]["median"] / figures["fit again (A/A)"]["median"],
            "jax.random permutation / jaxbm permutation": figures["jax.random permutation"]["median"]
            / figures["jaxbm permutation"]["median"],
        },
    }
    text = json.dumps(record, indent=1)
    print(text)
    if arguments.out:
        with open(arguments.out, "w") as file:
            file.write(text + "\n")


if __name__ == "__main__":
    main()
