"""The training run in plain JAX: the reference, and what runs wherever no kernel does."""

import inspect
from collections.abc import Callable, Collection
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from jaxbm.core import counter
from jaxbm.core import rows as row_trees
from jaxbm.core.counter import Words
from jaxbm.core.precision import computing
from jaxbm.core.settings import varying_as
from jaxbm.models.protocol import Params
from jaxbm.optimizers import AdamState, apply_updates, clip_by_global_norm
from jaxbm.run import private_step, start_checks
from jaxbm.run.contract import Data, Hyper, RunState, Task
from jaxbm.run.lookahead import learning
from jaxbm.run.measuring import measure, ratio, weighted_sums, with_weights
from jaxbm.run.rows import RowSet, bootstrap_draws, training_rows
from jaxbm.run.together import any_member, least_member, skipped_by_member
from jaxbm.shuffle import permuted_position

Pass = Callable[[Task, RunState, Data, Hyper, Words], tuple[Params, Any, Array]]
SUMMED_STEPS = 1024
"""Losses of so many steps make a sum of their own."""
_Sums = tuple[tuple[Array, Array | None], tuple[Array, Array | None]]
"""Losses and weights of the last steps, and of all before them; weights only where rows have some."""


def init(task: Task, params: Params, opt_state: Any, data: Data, hyper: Hyper) -> RunState:
    """The state before the first epoch."""
    never = jnp.full((task.epochs,), jnp.nan, jnp.float32)
    zero = jnp.zeros((), jnp.int32)
    if opt_state is None:
        opt_state = _optimizer(task, hyper).init(params)
    opt_state = jax.tree.map(jnp.asarray, opt_state)
    return RunState(
        params=params,
        opt_state=opt_state,
        best_params=None if hyper.patience is None else params,
        best_value=jnp.full((), jnp.inf, jnp.float32),
        best_epoch=zero,
        wait=zero,
        epoch=zero,
        epochs_run=zero,
        active=jnp.ones((), bool),
        finite=jnp.ones((), bool),
        history=dict.fromkeys(recorded(task, data), never),
    )


def recorded(task: Task, data: Data) -> list[str]:
    """The names of what history holds."""
    names = ["loss", *(name for name, _ in task.metrics)]
    return names + [f"val_{name}" for name in names] if data.x_val is not None else names


def run(
    task: Task,
    state: RunState,
    data: Data,
    hyper: Hyper,
    words: Words,
    stop: Array | None = None,
    one_pass: Pass | None = None,
) -> RunState:
    """Train until every epoch of `task` ran, or until epoch `stop`, exclusive, which may be traced.

    Without `stop` the run is a scan, so reverse-mode differentiation works through it. `one_pass` is another way to
    visit an epoch's rows, to the same numbers; whether its run goes on at all is `state.active`.
    """
    with computing(task.precision):
        return _run(task, state, data, hyper, words, stop, one_pass or pass_over_rows)


def _run(
    task: Task, state: RunState, data: Data, hyper: Hyper, words: Words, stop: Array | None, one_pass: Pass
) -> RunState:
    # Who may stop before the others is worth a branch, for which a GPU's host has to wait in every epoch. Where only
    # a run that went non-finite is through early, what it computes from then on is thrown away.
    may_stop = hyper.patience is not None or hyper.epochs is not None

    def advance(state: RunState, epoch: Array) -> RunState:
        mine = state.epoch == epoch
        going = is_going(state, hyper) & mine

        def trained(state: RunState) -> RunState:
            new = _one_epoch(task, state._replace(epoch=epoch, active=going), data, hyper, words, one_pass)
            skipped = skipped_by_member(going) if may_stop else ~going
            return jax.tree.map(lambda new, old: jnp.where(skipped, old, new), new, state)

        # The condition and the epoch are the same for all members: under `vmap` a branch or a loop that each of them
        # takes or not would give every one a copy of what it reads, the shared table too.
        state = lax.cond(any_member(going), trained, lambda s: s, state) if may_stop else trained(state)
        return state._replace(epoch=jnp.where(mine, epoch + 1, state.epoch))

    first = least_member(state.epoch)
    if stop is None:
        epochs = first + lax.iota(jnp.int32, task.epochs)
        return lax.scan(lambda s, epoch: (advance(s, epoch), None), state, epochs)[0]
    last = jnp.minimum(stop, task.epochs)
    return lax.while_loop(lambda c: c[1] < last, lambda c: (advance(*c), c[1] + 1), (state, first))[0]


def is_going(state: RunState, hyper: Hyper) -> Array:
    """Whether the run has another epoch to do."""
    return state.active if hyper.epochs is None else state.active & (state.epoch < hyper.epochs)


def _optimizer(task: Task, hyper: Hyper) -> Any:
    return hyper.optimizer if task.optimizer is None else task.optimizer


def takes_more(optimizer: Any) -> bool:
    """Whether `update` takes the loss, the gradient and the function they are of, which line searches need."""
    taken = inspect.signature(optimizer.update).parameters.values()
    return any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in taken)


def _one_epoch(task: Task, state: RunState, data: Data, hyper: Hyper, words: Words, one_pass: Pass) -> RunState:
    params, opt_state, loss = one_pass(task, state, data, hyper, words)
    leaves = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((params, _running_means(opt_state)))]
    finite = jnp.stack(leaves).all()
    if task.privacy is None:  # else the loss, which nobody's noise covers, must not decide
        finite = finite & jnp.isfinite(loss)
    # A run that goes non-finite keeps the state of the last epoch that was finite.
    params, opt_state = jax.tree.map(
        lambda new, old: jnp.where(finite, new, old), (params, opt_state), (state.params, state.opt_state)
    )
    record = {"loss": loss, **measure(task, params, data, hyper)}
    history = {k: v.at[state.epoch].set(record[k].astype(jnp.float32)) for k, v in state.history.items()}
    state = state._replace(
        params=params,
        opt_state=opt_state,
        history=history,
        finite=finite,
        active=finite,
        epochs_run=state.epochs_run + 1,
    )
    return early_stopping(state, record[monitored(task, record)], task, hyper)


def _running_means(opt_state: Any) -> list[Any]:
    """Adam's, of our own: where they have overflowed, the parameters stay finite, and never move again."""
    states = jax.tree.leaves(opt_state, is_leaf=lambda node: isinstance(node, AdamState))
    return [(state.mu, state.nu) for state in states if isinstance(state, AdamState)]


def monitored(task: Task, recorded: Collection[str]) -> str:
    """The recorded value that says which epoch is the best: training stands in for absent validation."""
    return "loss" if task.monitor == "val_loss" and "val_loss" not in recorded else task.monitor


def early_stopping(state: RunState, value: Array, task: Task, hyper: Hyper) -> RunState:
    """The state after an epoch in which the monitored value was `value`; `best_value` is such that less is better."""
    value = value.astype(jnp.float32)
    value = -value if task.monitor_mode == "max" else value
    min_delta = 0.0 if hyper.min_delta is None else hyper.min_delta
    better = state.finite & (value < state.best_value - min_delta)
    state = state._replace(
        best_value=jnp.where(better, value, state.best_value),
        best_epoch=jnp.where(better, state.epoch, state.best_epoch),
        wait=jnp.where(better, 0, state.wait + 1),
    )
    if hyper.patience is None:
        return state
    best = jax.tree.map(lambda new, old: jnp.where(better, new, old), state.params, state.best_params)
    return state._replace(best_params=best, active=state.active & (state.wait < hyper.patience))


def pass_over_rows(task: Task, state: RunState, data: Data, hyper: Hyper, words: Words) -> tuple[Params, Any, Array]:
    """One epoch: parameters, optimizer state and the mean loss, NaN where no row counted."""
    visited = training_rows(task, data)
    most, size = visited.most, min(task.batch_size, visited.most)
    steps = -(-most // size)
    is_private = task.privacy is not None  # such a run draws each batch anew, and has no order
    order, real = (None, None) if is_private else _order(task, visited, state.epoch, words, steps * size)
    own_steps = steps if visited.count is None else -(-visited.count // size)

    def step(carry: tuple[Params, Any, _Sums], inputs: tuple[Array, Any, Any]) -> tuple[Any, None]:
        i, rows, real = inputs
        number = state.epoch * own_steps + i
        batch = None
        if rows is not None:
            batch = (*row_trees.take((visited.x, visited.y), rows), _batch_weight(visited.weights(rows), real))

        def taken(carry: tuple[Params, Any, _Sums]) -> tuple[Params, Any, _Sums]:
            params, opt_state, sums = carry
            if batch is None:
                at = learning(params, opt_state)
                grads, more = private_step.noisy_gradient(task, at, visited, hyper, words, number)
                params, opt_state = _updated(task, params, opt_state, grads, hyper)
            else:
                stream = counter.derive(counter.derive(words, counter.DROPOUT), number)
                params, opt_state, more = _one_step(task, params, opt_state, batch, hyper, stream)
            return params, opt_state, _added(sums, *more, i)

        if visited.count is None:
            return taken(carry), None
        mine = i < own_steps

        def taken_by_some(carry: tuple[Params, Any, _Sums]) -> tuple[Params, Any, _Sums]:
            passed = skipped_by_member(mine)
            return jax.tree.map(lambda new, old: jnp.where(passed, old, new), taken(carry), carry)

        return lax.cond(any_member(mine), taken_by_some, lambda carry: carry, carry), None

    filled = None if real is None else real.reshape(steps, size)
    listed = None if order is None else order.reshape(steps, size)
    inputs = (lax.iota(jnp.int32, steps), listed, filled)
    is_weighted = is_private or real is not None or visited.weights(jnp.zeros(1, jnp.int32)) is not None
    zero = varying_as(jnp.zeros((), float), state, data, hyper, words)
    nothing = (zero, zero if is_weighted else None)
    (params, opt_state, sums), _ = lax.scan(step, (state.params, state.opt_state, (nothing, nothing)), inputs)
    total, count = jax.tree.map(jnp.add, *sums)
    count = jnp.asarray(steps * size, total.dtype) if count is None else count
    unknown = (count == 0) | visited.is_strange()  # where no row counts, nothing was learnt
    return params, opt_state, jnp.where(unknown, jnp.nan, ratio(total, count))


def _added(sums: _Sums, total: Array, count: Array, i: Array) -> _Sums:
    """The sums over an epoch, with those of step `i`.

    They are carried, not stacked: where a step writes to an address that depends on its number, a GPU's graph of the
    step is patched every time. Sums of some steps are summed in their turn, so that a million steps don't make a
    million roundings.
    """
    (block, counted), before = sums
    is_first = i % SUMMED_STEPS == 0
    before = jax.tree.map(lambda new, old: jnp.where(is_first, old + new, old), (block, counted), before)
    block = jnp.where(is_first, 0, block) + total.astype(block.dtype)
    if counted is not None:
        counted = jnp.where(is_first, 0, counted) + count.astype(counted.dtype)
    return (block, counted), before


def _order(task: Task, visited: RowSet, epoch: Array, words: Words, length: int) -> tuple[Array, Array | None]:
    """`[length]`: the table's rows in this epoch's order, and which of them are real; the rest only fill a batch."""
    count = visited.most if visited.count is None else visited.count
    places, n = lax.iota(jnp.uint32, length), jnp.asarray(count, jnp.uint32)
    real = None if visited.count is None and length == visited.most else places < n
    if real is not None and task.augment is not None:
        # Rows that only fill a batch have no weight, but may be mixed into others: those of the epoch's start, then,
        # not many copies of one.
        places = places % n
    if task.shuffle:
        places = permuted_position(counter.derive(counter.derive(words, counter.SHUFFLE), epoch), places, count)
    if task.bootstrap:
        places = bootstrap_draws(words, places, count)
    if real is not None and task.augment is None:
        places = jnp.where(real, places, 0)
    return visited.table_rows(places), real


def _batch_weight(weight: Array | None, real: Array | None) -> Array | None:
    if weight is None:
        return None if real is None else real.astype(jnp.float32)
    return weight if real is None else jnp.where(real, weight, 0)


def _augmented(augment: Callable[..., Any], key: Array, x: Any, y: Any) -> tuple[Any, Any]:
    pair = augment(key, x, y)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise TypeError(f"augment: expected (x, y) from the function, got {type(pair).__name__}")
    return pair[0], pair[1]


def _one_step(
    task: Task,
    params: Params,
    opt_state: Any,
    batch: tuple[Any, Any, Array | None],
    hyper: Hyper,
    stream: Words,
) -> tuple[Params, Any, tuple[Array, Array]]:
    x, y, weight = batch
    if task.augment is not None:
        x, y = _augmented(task.augment, counter.key(counter.derive(stream, 2**31)), x, y)

    def objective(params: Params) -> tuple[Array, tuple[Array, Array]]:
        options: dict[str, Any] = {} if hyper.dropout is None else {"dropout": hyper.dropout, "key": stream}
        if hyper.widths is not None:
            options["widths"] = hyper.widths
        values = task.model.example_losses(params, x, y, with_weights(task.loss, weight), **options)
        total, count = weighted_sums(values, weight)
        value = ratio(total, count)
        if hyper.l2 is not None:
            penalty = jnp.asarray(task.model.penalty(params), value.dtype)
            penalty = hyper.l2.astype(value.dtype) * penalty
            if task.l2_over_rows:  # of a batch in which no row counts, nothing is learnt
                penalty = jnp.where(count == 0, 0, ratio(penalty, jnp.asarray(count, penalty.dtype)))
            value = value + penalty
        return value, (total, count)

    (value, sums), grads = jax.value_and_grad(objective, has_aux=True)(learning(params, opt_state))
    extra = dict[str, Any]()
    if task.optimizer is not None:  # by Optax's names

        def function(params: Params, obj_fn: Any = None, grad_fn: Any = None) -> Array:
            del obj_fn, grad_fn  # a line search insists that its function takes whatever else the solver is given
            return objective(params)[0]

        def gradient(params: Params, step: Any = None) -> Params:
            del step  # that of a solver within the batch, whose rows stay the same
            return jax.grad(function)(params)

        known = {"value": value, "grad": grads, "value_fn": function, "obj_fn": function, "grad_fn": gradient}
        takes = inspect.signature(task.optimizer.update).parameters
        extra = {name: given for name, given in known.items() if name in takes or takes_more(task.optimizer)}
    params, opt_state = _updated(task, params, opt_state, grads, hyper, **extra)
    return params, opt_state, sums


def _updated(
    task: Task, params: Params, opt_state: Any, grads: Params, hyper: Hyper, **extra: Any
) -> tuple[Params, Any]:
    """Parameters and optimizer state after one step with this gradient."""
    if hyper.clip_norm is not None:
        clip = clip_by_global_norm(hyper.clip_norm)
        grads, _ = clip.update(grads, clip.init(params), params)
    updates, new_state = _optimizer(task, hyper).update(grads, opt_state, params, **extra)
    start_checks.step(params, updates, opt_state, new_state)
    # Some states change their types with the first step; a loop's may not.
    new_state = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), new_state, opt_state)
    return apply_updates(params, updates), new_state
