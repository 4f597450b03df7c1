"""Whether a GPU trains to the right numbers: some steps of each shape against float64 on the host."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import jaxbm
from jaxbm import shuffle
from jaxbm.benchmarks.contest import OURS
from jaxbm.benchmarks.record import Result
from jaxbm.benchmarks.workloads import BINARY, Workload
from jaxbm.core import counter
from jaxbm.kernels.registry import IMPLEMENTATIONS

CUDA, CUDA_3X, CUDA_TF32 = f"{OURS} cuda", f"{OURS} cuda 3xTF32", f"{OURS} cuda TF32"
"""The kernel in float32, and on tensor cores where those are faster, with factors in three parts and in one."""
MEMBERS, ROWS, BATCH, EPOCHS, RATE = 2, 384, 32, 2, 1e-3
BOUND = 1e-5
"""The mean error of parameters in float32. The largest says less: where a unit's sum is next to nothing, rounding
decides on which side of its kink the unit is, and a dozen weights differ by a hundredth."""
LOOSE = 1e-3
"""The same of TF32, which rounds every factor to ten bits."""


def results(run: str, shapes: Sequence[tuple[int, ...]], batches: Sequence[int] = ()) -> Iterator[Result]:
    """The errors of every implementation for the GPU; "failed" beyond the bound, or where it broke, "absent" where it
    says that it doesn't do such a run. `batches` are further ones of the first shape: rows of other numbers are laid
    out differently in a kernel's memory."""
    ways: dict[str, tuple[str, str | None, float]] = {f"{OURS} float32": ("xla", "highest", BOUND)}
    loosely: dict[str, tuple[str, str | None, float]] = {OURS: ("xla", None, LOOSE)}
    if "cuda" in IMPLEMENTATIONS and IMPLEMENTATIONS["cuda"].off() is None:
        ways[CUDA] = ("cuda", "highest", BOUND)
        loosely[CUDA_TF32] = ("cuda", "tf32", LOOSE)
    every = [(sizes, BATCH) for sizes in shapes] + [(shapes[0], size) for size in batches]
    for number, (sizes, size) in enumerate(every):
        named = "-".join(map(str, sizes)) + (f", batch {size}" if size != BATCH else "")
        case = Workload(named, sizes, ROWS, size, epochs=EPOCHS, members=MEMBERS)
        truth = reference(case)
        tried = ways | ({} if number else loosely)
        if CUDA in ways and size > BATCH:
            tried[CUDA_3X] = ("cuda", None, BOUND)
        for name, (implementation, precision, bound) in tried.items():
            contest = f"numbers of {case.name}"
            result = Result(run, contest, name, "failed", case=case.describe(), unit="error")
            try:
                largest, mean = errors(trained(case, implementation, precision), truth)
            except Exception as error:  # a kernel's own refusal is no failure
                status = "absent" if isinstance(error, NotImplementedError) else "failed"
                reason = f"{type(error).__name__}: {str(error)[:200]}"
                yield Result(**{**vars(result), "status": status, "reason": reason})
                continue
            curves = {"largest error": [largest], "mean error": [mean]}
            told = {"status": "ok"} if mean <= bound else {"reason": f"mean error {mean:.2g}, expected {bound:g}"}
            yield Result(**{**vars(result), "curves": curves, **told})


def trained(case: Workload, implementation: str, precision: str | None) -> Any:
    """Parameters after training, stacked."""
    rows = case.data()
    return jaxbm.fit_members(
        jax.random.key(0), case.model, rows.x, rows.y, members=case.members, loss=case.loss, epochs=case.epochs,
        batch_size=case.batch_size, optimizer=jaxbm.adam(RATE), implementation=implementation, precision=precision,
    ).params  # fmt: skip


def errors(params: Any, truth: Sequence[Any]) -> tuple[float, float]:
    """The largest error of a parameter, as a part of the largest parameter of its array, and the mean one."""
    found = []
    for k, layers in enumerate(truth):
        for layer, (weight, bias) in zip(params, layers, strict=True):
            for got, want in ((layer.weight[k], weight), (layer.bias[k], bias)):
                scale = max(float(np.abs(want).max()), RATE)
                found.append((np.abs(np.asarray(got, np.float64) - want) / scale).ravel())
    every = np.nan_to_num(np.concatenate(found), nan=np.inf)
    return float(every.max()), float(every.mean())


def reference(case: Workload) -> list[list[tuple[np.ndarray, np.ndarray]]]:
    """The same runs in float64 NumPy: `(weight, bias)` of each layer of each member."""
    rows = case.data()
    return [
        _alone(case, rows.x.astype(float), rows.y, jax.random.fold_in(jax.random.key(0), k)) for k in range(MEMBERS)
    ]


def _alone(case: Workload, x: np.ndarray, y: np.ndarray, key: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    leaves = [
        np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(case.model.init(key))
    ]  # weight, bias, weight, ...
    state = [[leaf, np.zeros_like(leaf), np.zeros_like(leaf)] for leaf in leaves]
    words, t = counter.words(key), 0
    for epoch in range(case.epochs):
        stream = counter.derive(counter.derive(words, counter.SHUFFLE), epoch)
        order = np.asarray(shuffle.permuted_position(stream, jnp.arange(case.rows, dtype=jnp.uint32), case.rows))
        for chosen in order.reshape(-1, case.batch_size):
            t += 1
            for part, gradient in zip(state, _gradient(case, state, x[chosen], y[chosen]), strict=True):
                part[1] = 0.9 * part[1] + 0.1 * gradient
                part[2] = 0.999 * part[2] + 0.001 * gradient**2
                scaled = np.sqrt(part[2] / (1 - 0.999**t)) + 1e-8
                part[0] = part[0] - RATE * part[1] / (1 - 0.9**t) / scaled
    return [(state[i][0], state[i + 1][0]) for i in range(0, len(state), 2)]


def _gradient(case: Workload, state: list[Any], x: np.ndarray, y: np.ndarray) -> list[np.ndarray]:
    """Of the mean loss, by the chain rule: weight and bias of each layer in turn."""
    weights, biases, inputs = [part[0] for part in state[::2]], [part[0] for part in state[1::2]], [x]
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        z = inputs[-1] @ weight + bias
        inputs.append(np.maximum(z, 0) if i < len(weights) - 1 else z)
    z = inputs.pop()
    if case.loss == BINARY:
        slope = 1 / (1 + np.exp(-z)) - y[:, None]
    else:
        shifted = np.exp(z - z.max(axis=1, keepdims=True))
        slope = shifted / shifted.sum(axis=1, keepdims=True) - np.eye(z.shape[1])[y]
    slope, gradients = slope / len(x), list[np.ndarray]()
    for weight, into in zip(reversed(weights), reversed(inputs), strict=True):
        gradients += [slope.sum(axis=0), into.T @ slope]
        slope = (slope @ weight.T) * (into > 0)
    return gradients[::-1]
