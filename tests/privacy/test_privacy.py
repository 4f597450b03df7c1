"""Differentially private training: its arithmetic, its accounting, and what it refuses."""

import dataclasses
import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxbm
from jaxbm.core import counter
from jaxbm.members.fit_members import prepare
from jaxbm.privacy import Mechanism, PrivacySpent, clipped_examples, gaussian_noise
from jaxbm.run import private_step
from jaxbm.run.contract import Data
from jaxbm.run.rows import training_rows
from jaxbm.run.training import Training

KEY = jax.random.key(0)
rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.float32)
MODEL = jaxbm.MLP((3, 4, 1), "tanh")
LOSS = "sigmoid_binary_cross_entropy"
WORDS = counter.words(jax.random.key(6))
QUIET = 1e-6
"""A noise multiplier so small that nothing of it is seen."""
OPTIONS = {"loss": LOSS, "epochs": 2, "batch_size": 20, "optimizer": jaxbm.sgd(0.5)}


def private(noise=2.0, clip=1.0, delta=1e-4, **more):
    return jaxbm.DPSGD(noise_multiplier=noise, clip_norm=clip, delta=delta, **more)


def fit(**options):
    return jaxbm.fit(KEY, MODEL, X, Y, **{**OPTIONS, **options})


# ---- the arithmetic of a step ----


@pytest.mark.parametrize("clip", [1e-3, 0.7, 30.0])
def test_no_row_counts_for_more_than_the_clipping_norm_not_even_by_rounding(clip):
    sizes = rng.uniform(-6, 6, (200, 1))
    grads = {"w": (rng.normal(size=(200, 37, 5)) * 10 ** sizes[..., None]).astype(np.float32),
             "b": (rng.normal(size=(200, 5)) * 10**sizes).astype(np.float32)}  # fmt: skip
    for name, row in (("w", 3), ("b", 4)):
        grads[name][row] = np.nan
    grads["w"][5] = 3e38
    clipped = jax.tree.map(np.asarray, jax.jit(clipped_examples)(grads, clip))
    wide = np.concatenate([clipped[name].reshape(200, -1).astype(np.float64) for name in ("w", "b")], axis=1)
    given = np.concatenate([grads[name].reshape(200, -1).astype(np.float64) for name in ("w", "b")], axis=1)
    norms, before = np.linalg.norm(wide, axis=1), np.linalg.norm(given, axis=1)
    assert (norms <= clip).all()
    assert (norms[[3, 4, 5]] == 0).all()
    usable = np.setdiff1d(np.arange(200), [3, 4, 5])
    np.testing.assert_allclose(norms[usable], np.minimum(before[usable], clip), rtol=2e-5)
    small = usable[before[usable] < 0.99 * clip]
    np.testing.assert_array_equal(wide[small], given[small])


def test_the_noise_is_normal_independent_and_of_the_deviation_asked_for():
    stats = pytest.importorskip("scipy.stats")
    like = {"w": jnp.zeros((150, 100)), "b": jnp.zeros(5000)}
    draws = [gaussian_noise(counter.words(jax.random.key(k)), like, 3.0) for k in range(2)]
    values = [np.concatenate([np.asarray(leaf).ravel() for leaf in jax.tree.leaves(draw)]) for draw in draws]
    assert stats.kstest(values[0] / 3.0, "norm").pvalue > 1e-3
    assert np.abs(values[0]).max() > 3 * 3.5  # tails, too
    for a, b in ((values[0], values[1]), (values[0][:-1], values[0][1:]), (values[0][:5000], values[0][-5000:])):
        assert abs(np.corrcoef(a, b)[0, 1]) < 4 / math.sqrt(len(a))


@functools.partial(jax.jit, static_argnums=0)
def gradient(task, data, hyper, words):
    return private_step.noisy_gradient(task, MODEL.init(KEY), training_rows(task, data), hyper, words, 0)


def step(privacy, **options):
    """The gradient that the first step hands to the optimizer, and the sums of its history."""
    data = Data(jnp.asarray(X), jnp.asarray(Y))
    run = Training(**{"loss": LOSS, "batch_size": 20, "privacy": privacy, **options}).build(MODEL, data)
    return gradient(run.task, data, run.hyper, WORDS)


def test_each_row_is_drawn_by_itself_with_the_rate_that_is_accounted_for():
    drawn = jax.jit(jax.vmap(lambda w0, w1: private_step._ranks((w0, w1), 60, 60, 20)))
    words = counter.derive(counter.words(KEY), jnp.arange(4000))
    chosen = np.diff(np.asarray(drawn(*words)), axis=1, prepend=0).astype(float)
    deviation = math.sqrt(1 / 3 * 2 / 3 / 4000)
    assert np.abs(chosen.mean(axis=0) - 1 / 3).max() < 4.5 * deviation
    sizes = chosen.sum(axis=1)
    assert abs(sizes.var() / (60 * 2 / 9) - 1) < 0.12  # binomial, as independent draws give
    together = np.corrcoef(chosen.T) - np.eye(60)
    assert np.abs(together).max() < 5 / math.sqrt(4000)


def test_places_of_ranks_are_found_by_halving():
    for n in (1, 2, 7, 8, 9):
        ranks = np.cumsum(rng.integers(0, 2, n)).astype(np.int32)
        wanted = np.arange(1, ranks[-1] + 1, dtype=np.int32)
        found = private_step._first_with(jnp.asarray(ranks), jnp.asarray(wanted))
        np.testing.assert_array_equal(found, np.searchsorted(ranks, wanted))


def test_all_rows_drawn_are_in_the_sum_however_many_blocks_it_takes(monkeypatch):
    whole, (losses, count) = step(private(QUIET, 1e3))
    monkeypatch.setattr(private_step, "HELD_NUMBERS", 5 * MODEL.n_params)
    pieces, _ = step(private(QUIET, 1e3), epochs=11)  # another program
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=5e-4), whole, pieces)
    ranks = private_step._ranks(counter.derive(counter.derive(WORDS, counter.SAMPLING), 0), 60, 60, 20)
    index = np.flatnonzero(np.diff(np.asarray(ranks), prepend=0))
    assert len(index) == int(count) != 20

    def total(params):
        logits = MODEL.apply(params, X[index])[:, 0]
        return jaxbm.losses.LOSSES[LOSS](logits, Y[index]).sum()

    value, grads = jax.value_and_grad(total)(MODEL.init(KEY))
    np.testing.assert_allclose(losses, value, rtol=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b / 20, atol=5e-4), whole, grads)


def test_the_penalty_is_neither_clipped_nor_noisy_and_weights_come_before_the_clipping():
    plain, _ = step(private(1.0, 0.1))
    decayed, _ = step(private(1.0, 0.1), l2=0.5)
    weights = jax.tree.leaves(MODEL.init(KEY))
    for a, b, w in zip(jax.tree.leaves(plain), jax.tree.leaves(decayed), weights, strict=True):
        np.testing.assert_allclose(b - a, w if w.ndim > 1 else 0 * w, atol=1e-5)
    noiseless, _ = step(private(QUIET, 0.1), batch_size=60)
    norm = math.sqrt(sum(float(jnp.square(g).sum()) for g in jax.tree.leaves(noiseless)))
    assert norm <= 0.1
    heavy = fit(privacy=private(QUIET, 1e-3), sample_weight=np.full(60, 1e6, np.float32), batch_size=60, epochs=1)
    moved = jax.tree.map(lambda a, b: jnp.square(a - b).sum(), heavy.params, MODEL.init(KEY))
    assert math.sqrt(sum(map(float, jax.tree.leaves(moved)))) <= 0.5 * 1e-3 * 1.001


# ---- runs ----


def test_every_path_gives_the_same_private_run():
    alone = fit(privacy=private())
    assert bool(alone.finite)
    assert np.isfinite(alone.history["loss"]).all()
    many = jaxbm.fit_members(KEY[None], MODEL, X, Y, **OPTIONS, privacy=private())
    others = [many.member(0)]
    if jaxbm.kernels.status()["program"].startswith("on"):
        others.append(fit(privacy=private(), implementation="program"))
    for other in others:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), alone.params, other.params)
        np.testing.assert_allclose(alone.history["loss"], other.history["loss"], rtol=1e-4)
    assert alone.privacy == many.privacy == PrivacySpent(((Mechanism(2.0, 1 / 3, 6),),), 1.0, 1e-4)


def test_no_rows_weight_changes_what_anothers_counts_for():
    """A factor for all weights, as they are made fit for float32 elsewhere, would be decided by the largest one."""
    weight = np.full(60, 2.0**-70)
    training = Training(**OPTIONS, privacy=private(), sample_weight=weight)
    assert (np.asarray(prepare(KEY, MODEL, X, Y, training, 2).shared.data.weight) == weight).all()
    each = dataclasses.replace(training, sample_weight=np.stack([weight, 2 * weight]))
    own = prepare(KEY, MODEL, X, Y, each, 2).own.data.weight
    np.testing.assert_array_equal(np.asarray(own)[:, 0], [2.0**-70, 2.0**-69])
    classes = dataclasses.replace(training, class_weight=[1.0, 2.0])
    both = np.asarray(prepare(KEY, MODEL, X, Y, classes, 2).shared.data.weight)
    np.testing.assert_array_equal(both, np.where(Y == 1, 2.0**-69, 2.0**-70))
    with pytest.raises(ValueError, match="sample_weight: expected finite"):
        fit(privacy=private(), sample_weight=np.full(60, 1e60))


def test_the_compiled_kernel_refuses_by_name():
    with pytest.raises(NotImplementedError, match="cpu"):
        fit(privacy=private(), implementation="cpu")


def test_members_of_one_call_share_a_budget_where_they_share_rows():
    halves = [np.arange(30), np.arange(30, 60)]

    def spent(rows):
        training = Training(**{**OPTIONS, "epochs": 1}, privacy=private(), rows=rows)
        return prepare(KEY, MODEL, X, Y, training, 2).privacy

    apart, shared, same = spent(halves), spent([halves[0], np.arange(15, 60)]), spent(None)
    assert apart.paths == ((Mechanism(2.0, 2 / 3, 2),),)
    assert shared.paths == ((Mechanism(2.0, 2 / 3, 6),),)  # the worst of the two, twice
    assert same.paths == ((Mechanism(2.0, 1 / 3, 6),),)


def test_rows_in_a_pytree_that_members_share_are_not_taken_for_each_ones_own():
    def loss(logits, labels):
        return jnp.square(logits[:, 0] - labels["target"])

    halves = [np.arange(30), np.arange(30, 60)]
    training = Training(**{**OPTIONS, "epochs": 1, "loss": loss}, privacy=private(), rows=halves)
    assert prepare(KEY, MODEL, X, {"target": Y}, training, 2).privacy.paths == ((Mechanism(2.0, 2 / 3, 2),),)


def test_groups_share_no_row_and_folds_do():
    group = np.repeat([0, 1, 2], [30, 20, 10])
    found = jaxbm.fit_groups(KEY, MODEL, X, Y, group, **OPTIONS, pooled=True, privacy=private())
    assert found.result.privacy.steps == 4
    assert found.result.privacy.sampling_rate == 1.0
    assert found.privacy.steps == 4 + found.pooled.privacy.steps
    with pytest.raises(ValueError, match="pooled: expected False with a target epsilon"):
        jaxbm.fit_groups(KEY, MODEL, X, Y, group, **OPTIONS, pooled=True, privacy=jaxbm.DPSGD(epsilon=1))


@pytest.mark.parametrize(
    ("given", "error", "match"),
    [
        ({"bootstrap": True}, ValueError, "bootstrap: expected False with privacy"),
        ({"shuffle": False}, ValueError, "shuffle: expected True with privacy"),
        ({"class_weight": "balanced"}, ValueError, "class_weight: expected numbers"),
        ({"patience": 2}, ValueError, "patience: expected None with privacy"),
        ({"patience": 2, "validation_split": 0.2}, ValueError, "patience: expected None with privacy"),
        (
            {"patience": 2, "validation_data": (X[:9], Y[:9]), "monitor": "loss"},
            ValueError,
            "monitor: expected what is measured on validation_data",
        ),
        ({"rows": np.asarray([4, 5, 4])}, ValueError, "rows: expected each row at most once"),
        ({"optimizer": optax.lbfgs()}, TypeError, "optimizer: expected one that goes by gradients alone"),
        ({"privacy": 1.0}, TypeError, "privacy: expected a jaxbm.DPSGD or None, got float"),
    ],
)
def test_what_privacy_cannot_go_with_is_named(given, error, match):
    with pytest.raises(error, match=match):
        fit(**{"privacy": private(), **given})
    if "rows" not in given:  # of arrays, an explanation only asks whether they are there
        with pytest.raises(error, match=match):
            jaxbm.kernels.explain(MODEL, **{**OPTIONS, "privacy": private(), **given})


def test_what_depends_on_rows_that_nobody_can_look_at_is_refused():
    with pytest.raises(ValueError, match="rows: expected numbers that can be looked at"):
        jax.vmap(lambda rows: fit(privacy=private(), rows=rows))(jnp.asarray([[0, 1], [2, 3]]))
    models = [jaxbm.MLP((3, n, 1)) for n in (2, 4)]
    with pytest.raises(ValueError, match="model: expected the same widths"):
        jaxbm.fit_members(KEY, models, X, Y, members=2, **OPTIONS, privacy=private())
    with pytest.raises(
        TypeError,
        match=r"unexpected keyword argument 'privacy'; trials are compared by private rows.*fit\(privacy=...\)",
    ):
        jaxbm.sweep({"l2": [0.1]}, KEY, MODEL, X, Y, **OPTIONS, privacy=private())


def test_public_rows_may_choose_the_epoch_and_that_is_told():
    found = fit(privacy=private(), patience=1, validation_data=(X[:9], Y[:9]), params=MODEL.init(KEY)).privacy
    assert len(found.told) == 2
    assert "validation rows" in found.told[0]
    assert "given parameters" in found.told[1]
    plain = PrivacySpent(((Mechanism(2.0, 0.1, 3),),), 1.0, 1e-4)
    assert plain.beside(found).told == plain.after(found).told == found.told
    with pytest.warns(UserWarning, match="privacy: expected delta well below 1 / rows") as told:
        fit(privacy=private(delta=0.05))
    assert told.pop(UserWarning).filename == __file__


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({}, "expected either it or epsilon, got neither"),
        ({"noise_multiplier": 1.0, "epsilon": 1.0}, "got both"),
        ({"noise_multiplier": 0.0}, "noise_multiplier: expected a positive finite number, got 0"),
        ({"epsilon": float("nan")}, "epsilon: expected a positive finite number, got nan"),
        ({"epsilon": 1.0, "clip_norm": -1}, "clip_norm: expected a positive finite number"),
        ({"epsilon": 1.0, "delta": 1.0}, "delta: expected a number below 1"),
        ({"epsilon": 1.0, "accountant": "me"}, "accountant: expected 'pld' or 'rdp', got 'me'"),
    ],
)
def test_an_unusable_request_is_told(given, match):
    with pytest.raises(ValueError, match=match):
        jaxbm.DPSGD(**given)


def test_a_row_that_stands_out_is_not_remembered():
    """Canaries: rows with random labels and features of their own. Whoever guesses by their loss which of them were
    trained on is right nearly always without privacy, and about as often as a coin with it."""
    n, canaries = 40, 40
    x = np.concatenate([X[:n], np.zeros((canaries, 3), np.float32)])
    own = np.concatenate([np.zeros((n, canaries), np.float32), np.eye(canaries, dtype=np.float32)])
    x = np.concatenate([x, 3 * own], axis=1).astype(np.float32)
    y = np.concatenate([Y[:n], rng.integers(0, 2, canaries)]).astype(np.float32)
    rows = np.concatenate([np.arange(n), n + np.flatnonzero(np.arange(canaries) % 2 == 0)])
    model = jaxbm.MLP((3 + canaries, 1))
    options = {"loss": LOSS, "epochs": 20, "batch_size": 15, "rows": rows, "optimizer": jaxbm.sgd(0.5), "members": 8}
    right = []
    for privacy in (None, private(16.0, 1.0, 1e-3)):
        found = jaxbm.fit(jax.random.key(3), model, x, y, **options, privacy=privacy)
        logits = np.asarray(jax.vmap(model.apply, in_axes=(0, None))(found.params, x[n:]))[..., 0]
        fits = logits * (2 * y[n:] - 1)
        guess = fits > np.median(fits, axis=1, keepdims=True)
        right.append((guess == (np.arange(canaries) % 2 == 0)).mean())
    assert right[0] > 0.95
    assert abs(right[1] - 0.5) < 0.11  # 320 guesses, and what epsilon of about a half allows


# ---- the accountant ----


def test_a_target_is_kept_by_a_run_and_by_members_together():
    pytest.importorskip("dp_accounting")
    target = jaxbm.DPSGD(epsilon=2.0, delta=1e-4)
    one = fit(privacy=target).privacy
    many = prepare(KEY, MODEL, X, Y, Training(**OPTIONS, privacy=target), 3).privacy
    assert 1.98 < one.epsilon <= 2.0
    assert 1.98 < many.epsilon <= 2.0
    assert many.noise_multiplier > 1.4 * one.noise_multiplier
    assert "epsilon 2 at delta 0.0001" in str(one)


def test_without_the_accountant_training_goes_on_and_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dp_accounting", None)
    spent = PrivacySpent(((Mechanism(7.7, 0.5, 3),),), 1.0, 1e-5)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'jaxbm\[privacy\]'"):
        _ = spent.epsilon
    with pytest.raises(ModuleNotFoundError, match="dp-accounting"):
        fit(privacy=jaxbm.DPSGD(epsilon=1.7))
    assert fit(privacy=private()).privacy.noise_multiplier == 2.0
