"""Jobs of many estimators, trained together where their programs are equal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from jaxbm.estimators.fitting import Rules, Trained, train
from jaxbm.estimators.jobs import Job
from jaxbm.estimators.networks import Training
from jaxbm.estimators.rows import dense
from jaxbm.estimators.tables import filled, table
from jaxbm.estimators.targets import Targets
from jaxbm.estimators.validation import HeldOut
from jaxbm.training.stacked import stacked_logits

BYTES = 2**29
"""Weights and two moments of the networks that are trained in one call take at most that, or they are one job's."""
LOGIT_NUMBERS = 2**24
"""Logits that are computed in one call."""


@dataclass(frozen=True, eq=False)
class Request:
    """A job to be trained on rows of `X`, and rows to predict afterwards."""

    fit: Any
    """whose it is"""
    estimator: Any
    job: Job
    X: Any
    targets: Targets
    weight: np.ndarray | None
    X_test: Any

    @property
    def program(self) -> Any:
        """What requests that are trained together have in common."""
        job, kind = self.job, self.targets.kind.name
        common = (job.schedule, job.scale, job.rate_scale, job.held_out is None, len(job.networks[0].sizes))
        return job.program, kind, self.X.shape[1], self.weight is None, common


Done = tuple[Request, list[Trained], np.ndarray, float]


def train_requests(requests: Sequence[Request]) -> Iterator[Done]:
    """Each request with its trained networks, their logits `[networks, n, out]` at `X_test`, and its seconds."""
    groups: dict[Any, list[Request]] = {}
    for request in requests:
        groups.setdefault(request.program, []).append(request)
    for group in groups.values():
        for block in _blocks(group):
            yield from _train_together(block)


def _blocks(group: Sequence[Request]) -> Iterator[list[Request]]:
    block: list[Request] = []
    widest, networks = np.zeros(len(group[0].job.networks[0].sizes), int), 0
    for request in group:
        sizes, own = request.job.networks[0].sizes, len(request.job.networks)
        widest, networks = np.maximum(widest, sizes), networks + own
        if block and 12 * networks * int(widest[:-1] @ widest[1:]) > BYTES:
            yield block
            block, widest, networks = [], np.asarray(sizes), own
        block.append(request)
    yield block


def _train_together(block: Sequence[Request]) -> list[Done]:
    began = time.perf_counter()
    x, labels, weight, starts = _joined(block)
    networks, held_out = [], []
    moved: dict[Any, Any] = {}

    def at(rows: np.ndarray, start: int) -> np.ndarray:
        """Rows of the joined table; the same object for the same ones."""
        return moved.setdefault((id(rows), start), rows if start == 0 else rows + np.int32(start))

    for request, start in zip(block, starts, strict=True):
        for network in request.job.networks:
            networks.append(replace(network, rows=at(network.rows, start)))  # type: ignore[arg-type]
            if request.job.held_out is not None:
                held_out.append(at(request.job.held_out, start))
    first = block[0].job
    limits = [one for request in block for one in request.job.limits]
    penalty = np.concatenate([np.full(len(request.job.networks), request.job.penalty) for request in block])
    rules = Rules(limits, first.schedule, penalty, first.scale, first.rate_scale)
    training = Training(first.program, networks, table(x, labels, weight), max(one.max_iter for one in limits))
    scored = HeldOut.of(block[0].targets.kind.name, x, labels, weight, held_out) if held_out else None
    trained = train(training, rules, scored)
    logits = _test_logits(block, training, trained)
    seconds = (time.perf_counter() - began) / len(block)
    done, place = [], 0
    for request, found in zip(block, logits, strict=True):
        count = len(request.job.networks)
        done.append((request, trained[place : place + count], found, seconds))
        place += count
    return done


def _joined(block: Sequence[Request]) -> tuple[np.ndarray, np.ndarray, np.ndarray | None, list[int]]:
    """Features, labels and weights of all requests, each different table once, and where each request's begins."""
    tables = {id(request.X): request for request in block}
    lengths = np.cumsum([0, *(request.X.shape[0] for request in tables.values())])
    start = dict(zip(tables, lengths.tolist(), strict=False))
    starts = [start[id(request.X)] for request in block]
    if len(tables) == 1:
        return dense(block[0].X), block[0].targets.labels, block[0].weight, starts
    x = np.concatenate([dense(request.X) for request in tables.values()])
    labels = np.concatenate([request.targets.labels for request in tables.values()])
    weights = [request.weight for request in tables.values()]
    return x, labels, None if weights[0] is None else np.concatenate([w for w in weights if w is not None]), starts


def _test_logits(block: Sequence[Request], training: Training, trained: Sequence[Trained]) -> list[np.ndarray]:
    """`[networks, n, out]` of each request at its `X_test`."""
    tests = {id(request.X_test): dense(request.X_test) for request in block}
    lengths = np.cumsum([0, *(len(part) for part in tests.values())])
    place = dict(zip(tests, lengths, strict=False))
    rows = np.concatenate(list(tests.values()))
    x = np.pad(rows, ((0, filled(len(rows)) - len(rows)), (0, 0)))
    owners = [request for request in block for _ in request.job.networks]
    start = np.asarray([place[id(request.X_test)] for request in owners], np.int32)
    count = np.asarray([request.X_test.shape[0] for request in owners], np.int32)
    most = filled(int(count.max()))
    params: Any = training.stacked([one.weights for one in trained])
    outputs = block[0].targets.outputs
    step = max(1, LOGIT_NUMBERS // (most * outputs))
    parts = []
    for i in range(0, len(owners), step):
        piece = slice(i, i + step)
        some = jax.tree.map(lambda leaf, piece=piece: leaf[piece], params)
        inputs: Any = (training.model, some, x, start[piece], count[piece], most)
        parts.append(np.asarray(stacked_logits(*inputs)))
    logits, found, i = np.concatenate(parts), [], 0
    for request in block:
        n = len(request.job.networks)
        found.append(logits[i : i + n, : request.X_test.shape[0]].astype(request.X_test.dtype))
        i += n
    return found
