"""Networks in training: many at once, from one table, a given number of epochs at a time.

This is where the estimators meet the training loop. A `Program` is everything that fixes the compiled code, a
`Network` everything that may differ between those that share it; `Training` holds their state on the device. Numbers
of rows and epochs are filled up to a few sizes, so that folds of 1,437 and 1,438 rows share one program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from jaxbm.core.halves import merged, split
from jaxbm.core.mapping import mapped
from jaxbm.estimators.states import squares, with_rates
from jaxbm.estimators.tables import Table, filled, packed
from jaxbm.kernels import dispatch
from jaxbm.members import stacking
from jaxbm.members.stacking import Inputs
from jaxbm.models.mlp import MLP, Dense
from jaxbm.optimizers import Adam, Sgd
from jaxbm.run.contract import Data, Hyper, Loss, Run, RunState, Task
from jaxbm.training.whole_run import start_state

Weights = list[tuple[np.ndarray, np.ndarray]]
"""of each layer: weights `[in, out]` and biases `[out]`"""

MOST_EPOCHS = 4096
"""What is kept of each epoch has as many places, and is put aside where there are more: `max_iter` is free."""
HOST_NUMBERS = 100_000
"""So few are summed on the host in less time than a compiled call takes to start."""


@dataclass(frozen=True)
class Program:
    """What networks that train in one call have in common."""

    activation: str
    loss: Loss
    outputs: int
    batch_size: int
    shuffle: bool = True
    solver: str = "adam"
    nesterov: bool = True
    bootstrap: bool = False
    dropout: bool = False
    clip: bool = False
    schedule: Callable[..., Any] | None = None
    precision: str | None = None
    implementation: str | None = None


@dataclass
class Network:
    """One network's own: where it starts, its rows and its numbers.

    The numbers are in the core's conventions: `l2` over the rows of a batch multiplies the sum of squared weights,
    and losses are means over outputs.
    """

    weights: Weights
    seed: int
    seen: int
    """rows visited before, by earlier calls: with `seed` it names the random stream"""
    rows: np.ndarray | None
    """int32, rows of the table to train on; None for all"""
    learning_rate: float
    l2: float
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.9
    dropout: float = 0.0
    clip_norm: float = 0.0

    @property
    def sizes(self) -> tuple[int, ...]:
        """Widths from input to output."""
        return (self.weights[0][0].shape[0], *(w.shape[1] for w, _ in self.weights))


@dataclass
class Training:
    """The state of some networks between chunks of epochs.

    Args:
      program: what they share.
      networks: what each has of its own.
      rows: the table.
      epochs: the most that they will train for, in all chunks together.
      opt_state: of all networks, stacked, from an earlier call; None for fresh.
      active: bool `[M]`, networks to train; None for all.
    """

    program: Program
    networks: Sequence[Network]
    rows: Table
    epochs: int
    opt_state: Any = None
    active: np.ndarray | None = None
    epoch: int = 0
    models: list[MLP] = field(init=False)
    model: MLP = field(init=False)

    def __post_init__(self) -> None:
        sizes = [network.sizes for network in self.networks]
        known = {s: MLP(s, self.program.activation) for s in dict.fromkeys(sizes)}
        self.models = [known[s] for s in sizes]
        self.model = self.models[0].padded(list(known.values()))
        lists, most = _row_lists(self.networks, self.rows)
        self.task = Task(
            model=self.model,
            loss=self.program.loss,
            batch_size=min(self.program.batch_size, most),
            epochs=1 << max(0, min(self.epochs, MOST_EPOCHS) - 1).bit_length(),
            shuffle=self.program.shuffle,
            most_rows=most,
            bootstrap=self.program.bootstrap,
            precision=self.program.precision,
            l2_over_rows=True,
        )
        data = Data(self.rows.x, self.rows.y, self.rows.weight)._replace(**lists)
        inputs = Inputs(data, self._hyper(), self._params(), self.opt_state)
        own = jax.tree.map(lambda _: True, inputs)
        own_data = jax.tree.map(lambda _: False, data)
        if lists.get("start") is not None:
            own_data = own_data._replace(start=True, count=True)
        own = own._replace(data=own_data, hyper=own.hyper._replace(optimizer=_own_numbers(own.hyper.optimizer)))
        self.own, self.shared = split(inputs, own)
        one = stacking.first(self.own, self.shared)
        self.name, _ = dispatch.choose(self.program.implementation, Run(self.task, *one))
        self._name_streams()
        self.state: RunState
        if self.task.epochs > 1:
            self.state = _begin(self.task, self.own, self.shared)
            self.own, self.shared = (part._replace(params=None, opt_state=None) for part in (self.own, self.shared))

    def renew(self, program: Program, networks: Sequence[Network], rows: Table, opt_state: Any) -> bool:
        """Become what a new object for one epoch would be, at less cost; False where too much is different."""
        before, now = (
            (p, [n.sizes for n in ns], [(a.shape, a.dtype) for a in (r.x, r.y)], r.weight is None, o is None)
            for p, ns, r, o in (
                (self.program, self.networks, self.rows, self.opt_state), (program, networks, rows, opt_state)
            )
        )  # fmt: skip
        if self.task.epochs > 1 or before != now or networks[0].rows is not None:
            return False
        self.networks, self.rows, self.opt_state, self.epoch, self.active = networks, rows, opt_state, 0, None
        data = self.shared.data._replace(x=rows.x, y=rows.y, weight=rows.weight, count=np.int32(rows.n))
        self.shared = self.shared._replace(data=data)
        hyper = self._hyper()
        if self.program.schedule is not None:
            hyper = hyper._replace(optimizer=self.own.hyper.optimizer)
        self.own = self.own._replace(hyper=hyper, params=self._params(), opt_state=opt_state)
        self._name_streams()
        return True

    def _name_streams(self) -> None:
        self.rates = np.asarray([network.learning_rate for network in self.networks], np.float64)
        self.words = tuple(
            np.asarray([getattr(network, name) % 2**32 for network in self.networks], np.uint32)
            for name in ("seed", "seen")
        )

    def advance(self, epochs: int = 1) -> np.ndarray:
        """Train the only epoch; float64 `[M, 1]`: its loss, NaN where none was trained."""
        active = np.ones(len(self.networks), bool) if self.active is None else self.active
        self.state = _only_epoch(self.task, self.name, self.words, active, self.own, self.shared)
        self.epoch += epochs
        return np.asarray(self.state.history["loss"], np.float64)

    def epoch_again(self) -> Any:
        """A function for more epochs like the only one, on other rows; see `dispatch.epoch_again`."""
        state = _begin(self.task, self.own, self.shared)
        return dispatch.epoch_again(self.name, self.task, state, self.own[:2], self.shared[:2])

    def go_on_from(self, state: RunState, epoch: int) -> None:
        """Take what training elsewhere left after so many epochs."""
        self.state, self.epoch = state, epoch

    def retire(self, mask: np.ndarray) -> None:
        """Train networks no further where `mask` `[M]` is True."""
        self.state = self.state._replace(active=np.asarray(self.state.active) & ~mask)

    @property
    def params(self) -> Any:
        """Stacked parameters as they are now; valid until `advance` is called."""
        return self.state.params

    def finite(self) -> np.ndarray:
        """bool `[M]`: False where a loss or weight became NaN or infinite; such a network trains no further."""
        return np.asarray(self.state.finite)

    def set_rates(self, rates: np.ndarray) -> None:
        """New learning rates `[M]` from the next epoch on."""
        changed = rates != self.rates
        if not changed.any():
            return
        optimizer = self.own.hyper.optimizer
        self.state = with_rates(self.state, self.rates.astype(np.float32), rates.astype(np.float32))
        own = type(optimizer)(rates.astype(np.float32), optimizer.momentum, optimizer.nesterov)
        self.own = self.own._replace(hyper=self.own.hyper._replace(optimizer=own))
        self.rates = rates

    def penalties(self) -> np.ndarray:
        """float64 `[M]`: the sum of squared weights."""
        if self.model.n_params * len(self.networks) > HOST_NUMBERS:
            return np.asarray(squares(self.state.params), np.float64)
        weights = [np.asarray(layer.weight) for layer in self.state.params]
        return np.asarray(sum(np.einsum("kio,kio->k", w, w) for w in weights), np.float64)

    def weights(self, params: Any = None) -> list[Weights]:
        """Every network's weights as they are now, or as they are in `params`, in its own widths, on the host."""
        layers = [(np.asarray(w), np.asarray(b)) for w, b in (self.state.params if params is None else params)]
        return [
            [(w[k, :i, :o].copy(), b[k, :o].copy()) for (w, b), i, o in zip(layers, s[:-1], s[1:], strict=True)]
            for k, s in enumerate(model.sizes for model in self.models)
        ]

    def _params(self) -> tuple[Dense, ...]:
        return self.stacked([network.weights for network in self.networks])

    def stacked(self, members: Sequence[Weights]) -> tuple[Dense, ...]:
        """Weights of networks as stacked parameters, filled up with zeros to the common widths."""
        return stacked(self.model.sizes, members)

    def _numbers(self, name: str) -> Any:
        return np.asarray([getattr(network, name) for network in self.networks], np.float32)

    def _hyper(self) -> Hyper:
        program, numbers = self.program, self._numbers
        rate: Any = numbers("learning_rate") if program.schedule is None else program.schedule
        optimizer: Any
        if program.solver == "sgd":
            optimizer = Sgd(rate, numbers("momentum"), program.nesterov)
        else:
            decay = numbers("weight_decay") if program.solver == "adamw" else None
            zero = np.zeros(len(self.networks), np.float32)
            optimizer = Adam(rate, numbers("b1"), numbers("b2"), numbers("eps"), zero, decay)
        differ = len(set(self.models)) > 1
        own_widths: Any = np.asarray([model.sizes for model in self.models], np.int32) if differ else None
        return Hyper(
            optimizer=optimizer,
            l2=numbers("l2"),
            clip_norm=numbers("clip_norm") if program.clip else None,
            dropout=numbers("dropout") if program.dropout else None,
            widths=own_widths,
        )


def stacked(sizes: Sequence[int], members: Sequence[Weights]) -> tuple[Dense, ...]:
    """Weights of networks as stacked parameters, filled up with zeros to common widths."""
    layers = []
    for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
        weight = np.zeros((len(members), fan_in, fan_out), np.float32)
        bias = np.zeros((len(members), fan_out), np.float32)
        for k, weights in enumerate(members):
            w, b = weights[i]
            weight[k, : w.shape[0], : w.shape[1]], bias[k, : len(b)] = w, b
        layers.append(Dense(weight, bias))  # type: ignore[arg-type]
    return tuple(layers)


def _own_numbers(optimizer: Any) -> Any:
    """`is_own` of an optimizer: all of its numbers, but not those of a schedule."""
    rate = optimizer.learning_rate
    if not callable(rate) or jax.tree_util.all_leaves([rate]):
        return optimizer  # a plain function is no leaf of it
    return replace(optimizer, learning_rate=jax.tree.map(lambda _: False, rate))


def _row_lists(networks: Sequence[Network], rows: Table) -> tuple[dict[str, Any], int]:
    """Fields of `Data` that say which rows each network visits, and a bound on their number."""
    lists = [network.rows for network in networks]
    if lists[0] is None:
        return {"count": np.int32(rows.n)}, rows.x.shape[0]
    flat, start, count = packed([part for part in lists if part is not None])
    return {"rows": flat, "start": start, "count": count}, filled(int(count.max()))


def _begin(task: Task, own: Inputs, shared: Inputs) -> RunState:
    """The state before the first epoch, laid out on the host: code that does so would have to be compiled first."""
    leaves, tree = jax.tree.flatten((own, shared))
    known = tuple(
        (np.shape(leaf), leaf.dtype if hasattr(leaf, "dtype") else jnp.result_type(leaf)) for leaf in leaves
    )
    config: Any = jax.config
    shapes = _shapes(task, tree, known, config.jax_enable_x64)

    def filled(value: float, tree: Any) -> Any:
        return jax.tree.map(lambda like: np.full(like.shape, value, like.dtype), tree)

    given = own.opt_state
    return filled(0, shapes)._replace(
        params=jax.tree.map(np.array, own.params),
        opt_state=filled(0, shapes.opt_state) if given is None else jax.tree.map(np.array, given),
        best_value=filled(np.inf, shapes.best_value),
        active=filled(True, shapes.active),
        finite=filled(True, shapes.finite),
        history=filled(np.nan, shapes.history),
    )


@lru_cache(maxsize=256)
def _shapes(task: Task, tree: Any, leaves: tuple[Any, ...], x64: bool) -> RunState:
    """What a state looks like; looked up, since tracing takes a sixth of a small `fit` besides training."""
    del x64  # JAX's setting, which decides about dtypes
    own, shared = jax.tree.unflatten(tree, [jax.ShapeDtypeStruct(*leaf) for leaf in leaves])
    return jax.eval_shape(partial(_starts, task), own, shared)


def _starts(task: Task, own: Inputs, shared: Inputs) -> RunState:
    return mapped(lambda own: _start(task, merged(own, shared)), own)


def _start(task: Task, inputs: Inputs) -> RunState:
    return start_state(task, jax.random.key(0), inputs.data, inputs.hyper, inputs.params, inputs.opt_state)


@partial(jax.jit, static_argnums=(0, 1))
def _only_epoch(task: Task, name: str, words: Any, active: Array, own: Inputs, shared: Inputs) -> RunState:
    def one(words: Any, active: Array, own: Inputs) -> RunState:
        return only_epoch(task, name, words, active, merged(own, shared))

    return mapped(one, words, active, own)


def only_epoch(task: Task, name: str, words: Any, active: Array, inputs: Inputs) -> RunState:
    """One network's state after one epoch, the only one."""
    state = _start(task, inputs)._replace(active=active)
    return dispatch.runner(name, differentiable=False)(task, state, inputs.data, inputs.hyper, words, jnp.int32(1))
