"""The contract of every implementation of a training run: it does what the reference does, or says why it won't."""

import dataclasses
import functools
from collections import namedtuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxbm
from jaxbm.core import counter
from jaxbm.kernels import dispatch, registry
from jaxbm.kernels.mlp import settings
from jaxbm.optimizers import Adam, Sgd
from jaxbm.optimizers.protocol import as_pytree
from jaxbm.run import contract, loop
from jaxbm.run.training import Training

rng = np.random.default_rng(3)
X = rng.normal(size=(50, 4)).astype(np.float32)
SCORE = X @ rng.normal(size=(4, 3)).astype(np.float32)
LABELS = {
    "squared_error": SCORE[:, 0],
    "sigmoid_binary_cross_entropy": (SCORE[:, 0] > 0).astype(np.float32),
    "softmax_cross_entropy_with_integer_labels": SCORE.argmax(1).astype(np.int32),
}
KEY = jax.random.key(5)


def _rows(loss, **more):
    return contract.Data(jnp.asarray(X), jnp.asarray(LABELS[loss]), **more)


def _case(loss="squared_error", data=None, model=None, **options):
    outputs = 3 if "integer" in loss else 1
    model = model or jaxbm.MLP((4, 6, outputs))
    options = {"epochs": 3, "batch_size": 16, "optimizer": jaxbm.adam(1e-2)} | options
    return Training(loss=loss, **options).build(model, _rows(loss, **(data or {})))


def _over_rows(run):
    """The run with each batch's penalty over the weights of its rows, as the estimators have it."""
    return run._replace(task=dataclasses.replace(run.task, l2_over_rows=True))


VALIDATED = {"x_val": jnp.asarray(X[:20]), "y_val": jnp.asarray(LABELS["squared_error"][:20])}
#: One case for every option that a run may have, and some for what kernels can't know.
CASES = {
    "plain": _case(),
    "binary": _case("sigmoid_binary_cross_entropy"),
    "classes": _case("softmax_cross_entropy_with_integer_labels"),
    "no shuffle": _case(shuffle=False),
    "bootstrap": _case(bootstrap=True),
    "metrics": _case(metrics=["mae"], data=VALIDATED),
    "patience": _case(patience=1, min_delta=0.5, data=VALIDATED, epochs=6),
    "monitor": _case(metrics=["mae"], monitor="val_mae", monitor_mode="min", patience=2, data=VALIDATED),
    "l2": _case(l2=0.01),
    "clip_norm": _case(clip_norm=0.1),
    "dropout": _case(dropout=0.3),
    "precision": _case(precision="highest"),
    "augment": _case(augment=jaxbm.augment.GaussianNoise(0.1)),
    "weights and a penalty over them": _over_rows(
        _case(l2=0.2, data={"weight": jnp.asarray(rng.random(50), jnp.float32)})
    ),
    "rows": _case(data={"rows": jnp.asarray(rng.permutation(50)[:30], jnp.int32)}),
    "momentum": _case(optimizer=jaxbm.sgd(0.05, momentum=0.9)),
    "a schedule": _case(optimizer=jaxbm.adam(optax.linear_schedule(1e-2, 1e-3, 12))),
    "privacy": _case(privacy=jaxbm.DPSGD(noise_multiplier=0.5, clip_norm=1.0, delta=1e-5)),
    "Optax": _case(optimizer=optax.lion(1e-3)),
    "another activation of the output": _case(model=jaxbm.MLP((4, 6, 1), output_activation="tanh")),
    "another loss": _case(loss="squared_error", epochs=2)._replace(
        task=dataclasses.replace(_case().task, loss=jaxbm.losses.log_cosh)
    ),
}


@as_pytree()
@dataclasses.dataclass(frozen=True)
class Halved(Sgd):
    """An optimizer of one's own, derived from ours."""

    share: float = 0.5

    def update(self, updates, state, params=None, **extra):
        steps, state = super().update(updates, state, params, **extra)
        return jax.tree.map(lambda step: self.share * step, steps), state


@dataclasses.dataclass(frozen=True)
class Doubled(jaxbm.MLP):
    """A network of one's own, derived from ours."""

    def apply(self, params, x, **options):
        return 2 * super().apply(params, x, **options)


CASES |= {
    "an optimizer derived from ours": _case(optimizer=Halved(0.1)),
    "a network derived from ours": _case(model=Doubled((4, 6, 1))),
}


def start(run):
    params = run.task.model.init(KEY)
    return loop.init(run.task, params, None, run.data, run.hyper)


def arguments(run):
    return run.task, start(run), run.data, run.hyper, counter.words(KEY)


@functools.cache
def reference(case):
    return loop.run(*arguments(CASES[case]))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", registry.IMPLEMENTATIONS)
def test_an_implementation_agrees_with_the_reference_or_refuses(name, case):
    run, entry = CASES[case], registry.IMPLEMENTATIONS[name]
    if (reason := entry.off()) is not None:
        pytest.skip(reason)
    if (reason := entry.unsupported(run)) is not None:
        with pytest.raises(NotImplementedError, match=f"implementation='{name}': "):
            dispatch.choose(name, run)
        return
    got, want = entry.run(*arguments(run)), reference(case)
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5)


UNKNOWN_TO_KERNELS = {
    "augment", "Optax", "privacy", "another activation of the output", "another loss",
    "an optimizer derived from ours", "a network derived from ours",
}  # fmt: skip
#: What each implementation is known to refuse, so that a kernel can't come to refuse everything unnoticed.
REFUSED = {
    "cpu": UNKNOWN_TO_KERNELS,
    "cuda": UNKNOWN_TO_KERNELS,
    "program": set(),
    "xla": set(),
}


@pytest.mark.parametrize("name", registry.IMPLEMENTATIONS)
def test_an_implementation_refuses_what_it_is_known_to_refuse(name):
    entry = registry.IMPLEMENTATIONS[name]
    refused = {case for case, run in CASES.items() if entry.unsupported(run) is not None}
    assert refused == REFUSED.get(name, refused)


def test_the_cases_cover_every_option():
    used = set()
    for run in CASES.values():
        used |= {n for n, value in run.hyper._asdict().items() if value is not None}
        used |= {f.name for f in dataclasses.fields(run.task) if f.default is not dataclasses.MISSING
                 and getattr(run.task, f.name) != f.default}  # fmt: skip
    # Many members': see tests/members and tests/training.
    own = {"epochs", "widths", "most_rows", "most_rows_val", "evaluation_rows"}
    everything = {*contract.Hyper._fields} | {
        f.name for f in dataclasses.fields(contract.Task) if f.default is not dataclasses.MISSING
    }
    assert everything - used - own == set()


def _with_a_later_option(run, part):
    """The run as it would be had a later version an option more."""
    if part == "hyper":
        later = namedtuple("Later", [*run.hyper._fields, "label_smoothing"])
        return run._replace(hyper=later(*run.hyper, jnp.float32(0.1)))
    if part == "data":
        later = namedtuple("Later", [*run.data._fields, "offset"])
        return run._replace(data=later(*run.data, jnp.zeros(50)))
    values = {f.name: getattr(run.task, f.name) for f in dataclasses.fields(run.task)}
    fields = [(n, object, dataclasses.field(default=v)) for n, v in values.items()]
    later = dataclasses.make_dataclass("Later", [*fields, ("mixing", object, dataclasses.field(default=None))])
    return run._replace(task=later(mixing="pairs"))


@dataclasses.dataclass(frozen=True)
class LaterMLP(jaxbm.MLP):
    """What `MLP` would be with an option more."""

    residual: bool = False


@as_pytree("nesterov", "mu_dtype", "amsgrad")
@dataclasses.dataclass(frozen=True)
class LaterAdam(Adam):
    """What `Adam` would be with an option more."""

    amsgrad: bool = False


def test_a_kernel_refuses_a_field_that_it_was_never_told_about(monkeypatch):
    monkeypatch.setattr(settings, "MLP", LaterMLP)
    monkeypatch.setitem(settings.KNOWN_OPTIMIZERS, LaterAdam, settings.KNOWN_OPTIMIZERS[Adam])

    def why(optimizer, **fields):
        run = CASES["plain"]
        run = run._replace(task=dataclasses.replace(run.task, model=LaterMLP((4, 6, 1), **fields)))
        run = run._replace(hyper=run.hyper._replace(optimizer=optimizer))
        return registry.IMPLEMENTATIONS["cpu"].unsupported(run), settings.optimizer_unsupported(run)

    assert why(LaterAdam(1e-3))[1] is None
    assert "'amsgrad'" in why(LaterAdam(1e-3, amsgrad=True))[1]
    assert "'residual'" in why(LaterAdam(1e-3), residual=True)[0]


@pytest.mark.parametrize(("part", "option"), [("hyper", "label_smoothing"), ("data", "offset"), ("task", "mixing")])
def test_a_kernel_refuses_an_option_that_it_was_never_told_about(part, option):
    for name, entry in registry.IMPLEMENTATIONS.items():
        run = _with_a_later_option(CASES["plain"], part)
        if name in ("cpu", "cuda"):  # the others are the reference loop itself, which the option came with
            assert repr(option) in entry.unsupported(run)
    assert dispatch.choose("xla", run)[0] == "xla"


def test_the_choice_says_why():
    for run in CASES.values():
        name, reason = dispatch.choose(None, run)
        assert name in registry.IMPLEMENTATIONS
        assert reason
    with pytest.raises(ValueError, match="implementation: unknown name 'cpus'; did you mean 'cpu'"):
        dispatch.choose("cpus", CASES["plain"])
    for absent, why in registry.ABSENT.items():
        with pytest.raises(NotImplementedError, match=why):
            dispatch.choose(absent, CASES["plain"])
