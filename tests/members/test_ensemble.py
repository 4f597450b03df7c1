"""What members predict together, greedy selection, calibration, and the shared-trunk ensemble."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm.core import counter
from jaxbm.members.result import NonFiniteMembersWarning
from jaxbm.members.selection import greedy_selection
from jaxbm.models.mlp import Dense
from jaxbm.run import loop
from jaxbm.run.contract import Data, Hyper, Task

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 4)).astype(np.float32)
Y = (X[:, 0] * X[:, 1] + 0.5 * RNG.normal(size=300) > 0).astype(np.float32)
C = np.digitize(X[:, 0], [-0.5, 0.5])
KEY = jax.random.key(0)
BINARY = "sigmoid_binary_cross_entropy"


def constant_members(*outputs, model=None):
    """Members whose logits are given numbers whatever the row."""
    bias = jnp.asarray(outputs, jnp.float32).reshape(len(outputs), -1)
    model = model or jaxbm.MLP((4, bias.shape[1]))
    return jaxbm.Ensemble(model, (Dense(jnp.zeros((len(outputs), 4, bias.shape[1])), bias),))


def test_numbers_by_hand():
    ensemble = constant_members(1.0, 2.0, 6.0)
    assert ensemble.members == 3
    np.testing.assert_allclose(ensemble.logits(X[:2])[:, :, 0], [[1, 1], [2, 2], [6, 6]])
    np.testing.assert_allclose(ensemble.mean(X[:2])[:, 0], 3)
    np.testing.assert_allclose(ensemble.spread(X[:2])[:, 0], np.std([1, 2, 6]))
    np.testing.assert_allclose(ensemble.quantiles(X[:2], [0, 0.5, 1])[:, 1, 0], [1, 2, 6])
    weighted = jaxbm.Ensemble(ensemble.model, ensemble.params, weights=[2, 0, 2])
    np.testing.assert_allclose(weighted.mean(X[:1]), 3.5)
    np.testing.assert_allclose(weighted.spread(X[:1]), 2.5)
    np.testing.assert_allclose(weighted.quantiles(X[:1], [0.2, 0.8])[:, 0, 0], [1, 6])


def test_probabilities_and_votes_by_hand():
    p = 1 / (1 + np.exp(-np.asarray([3.0, -1.0, -1.0])))
    binary = constant_members(3.0, -1.0, -1.0)
    np.testing.assert_allclose(binary.probabilities(X[:2]), [[1 - p.mean(), p.mean()]] * 2, rtol=1e-6)
    assert binary.vote(X[:2]).tolist() == [0, 0]  # two against one, though the mean probability is above a half
    assert p.mean() > 0.49
    classes = constant_members([0, 1, 2], [0, 3, 0], [0, 3, 2.5])
    assert classes.vote(X[:1]).tolist() == [1]
    np.testing.assert_allclose(classes.probabilities(X[:1]).sum(), 1)
    hot = jaxbm.Ensemble(classes.model, classes.params, temperature=1e6)
    np.testing.assert_allclose(hot.probabilities(X[:1]), 1 / 3, atol=1e-5)


def test_of_a_training_run_with_mixed_widths_and_a_member_lost():
    models = [jaxbm.MLP((4, h, 1), "sigmoid") for h in (3, 9, 5)]
    keys = jax.random.split(KEY, 3)
    with pytest.warns(NonFiniteMembersWarning):
        many = jaxbm.fit_members(
            keys, models, X, Y, loss="squared_error", optimizer=jaxbm.sgd(jnp.asarray([0.01, 1e30, 0.01])), epochs=2
        )
    ensemble = jaxbm.Ensemble.of(many)
    assert ensemble.members == 2
    own = [jaxbm.predict(models[k], many.member(k).params, X) for k in (0, 2)]
    np.testing.assert_allclose(ensemble.logits(X), own, rtol=1e-5, atol=1e-6)


def test_blocks_of_rows_change_nothing(monkeypatch):
    many = jaxbm.fit_members(
        KEY, jaxbm.MLP((4, 5, 3)), X, C, members=4, epochs=1, loss="softmax_cross_entropy_with_integer_labels"
    )
    ensemble = jaxbm.Ensemble.of(many)
    whole = ensemble.probabilities(X)
    monkeypatch.setattr("jaxbm.members.ensemble.BLOCK_NUMBERS", 4 * 3 * 70)
    np.testing.assert_allclose(ensemble.probabilities(X), whole, rtol=1e-6)
    assert ensemble.vote(X).shape == (300,)


def test_calibration_finds_the_temperature_that_was_put_in():
    logits = RNG.normal(size=4000).astype(np.float32) * 2
    labels = (RNG.random(4000) < 1 / (1 + np.exp(-logits))).astype(int)
    # One member whose logits are four times too sure.
    ensemble = jaxbm.Ensemble(jaxbm.MLP((1, 1)), (Dense(jnp.full((1, 1, 1), 4.0), jnp.zeros((1, 1))),))
    found = ensemble.calibrated(logits[:, None], labels)
    assert found.temperature == pytest.approx(4, rel=0.1)
    p = found.probabilities(logits[:, None])[:, 1]
    assert float(jaxbm.metrics.calibration_error(p.astype(np.float32), labels)) < 0.03


def test_greedy_selection_by_hand():
    predictions = np.asarray([[[0.0], [0.0]], [[4.0], [1.0]], [[9.0], [9.0]]])
    # To reach (2, 0.5): first member 0 alone errs least, then 1 makes the average exact.
    counts = greedy_selection(predictions, np.asarray([2.0, 0.5]), score="squared_error")
    assert counts.tolist() == [1, 1, 0]
    p = np.stack([np.eye(2)[[0, 1, 1]], np.eye(2)[[0, 0, 0]]])
    assert greedy_selection(p, np.asarray([0, 1, 0]), score="error_rate", size=5).tolist() in ([1, 0], [0, 1])
    with pytest.raises(ValueError, match="score: unknown name"):
        greedy_selection(p, np.asarray([0, 1, 0]), score="log_los")
    with pytest.raises(ValueError, match=r"predictions: expected shape \[M, 2, k\]"):
        greedy_selection(p, np.asarray([0, 1]))


def test_a_selected_ensemble_is_no_worse_than_the_best_member_or_all():
    rates = jnp.asarray([1e-5, 1e-4, 1e-2, 2e-2, 1e-2, 0.5])
    many = jaxbm.fit_members(
        KEY, jaxbm.MLP((4, 16, 1)), X[:200], Y[:200], members=6, optimizer=jaxbm.adam(rates), loss=BINARY, epochs=20
    )
    x, y = X[200:], Y[200:]
    ensemble = jaxbm.Ensemble.of(many)
    chosen = ensemble.selected(x, y)

    def loss(p):
        return -np.log(p[np.arange(len(y)), y.astype(int)]).mean()

    alone = [
        loss(
            jaxbm.Ensemble(ensemble.model, jax.tree.map(lambda a, k=k: a[k : k + 1], ensemble.params)).probabilities(
                x
            )
        )
        for k in range(6)
    ]
    assert loss(chosen.probabilities(x)) <= min(*alone, loss(ensemble.probabilities(x))) + 1e-9
    assert chosen.members <= 6
    kept = ensemble.selected(x, y, drop=False)
    np.testing.assert_allclose(kept.probabilities(x), chosen.probabilities(x), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"weights": [1, 2]}, r"weights: expected \[3\] finite numbers, nonnegative"),
        ({"weights": [-1, 1, 1]}, "weights: expected"),
        ({"temperature": 0}, "temperature: expected a positive number"),
    ],
)
def test_bad_ensembles(options, match):
    with pytest.raises(ValueError, match=match):
        jaxbm.Ensemble(jaxbm.MLP((4, 1)), constant_members(1.0, 2.0, 3.0).params, **options)
    with pytest.raises(ValueError, match=r"x: expected shape \[n, 4\]"):
        constant_members(1.0).mean(X[:, :2])


SHARED = jaxbm.BatchEnsemble(jaxbm.MLP((4, 16, 8, 1), "tanh"), members=5)


def random_shared_params():
    params = SHARED.init(KEY)
    leaves, tree = jax.tree.flatten(params)
    return jax.tree.unflatten(tree, [leaf + 0.3 * RNG.normal(size=leaf.shape).astype(np.float32) for leaf in leaves])


def test_a_member_of_the_shared_trunk_is_a_plain_network():
    params = random_shared_params()
    outputs = SHARED.apply_members(params, X)
    for k in range(5):
        plain = SHARED.model.apply(SHARED.member_params(params, k), X)
        np.testing.assert_allclose(outputs[:, k], plain, rtol=2e-4, atol=1e-5)
    np.testing.assert_allclose(SHARED.apply(params, X), outputs.mean(axis=1), rtol=1e-5)
    one = jaxbm.BatchEnsemble(SHARED.model, members=1)
    np.testing.assert_allclose(one.apply(one.init(KEY), X), SHARED.model.apply(SHARED.model.init(KEY), X), rtol=1e-5)


def test_the_shared_trunk_counts_its_parameters():
    leaves = jax.tree.leaves(SHARED.init(KEY))
    assert SHARED.n_params == sum(leaf.size for leaf in leaves)
    assert SHARED.n_params < 2 * SHARED.model.n_params + 5 * 60
    assert f"{SHARED.n_params:,} parameters, {5 * SHARED.model.n_params:,} as separate networks" in SHARED.summary()
    no_bias = jaxbm.BatchEnsemble(jaxbm.MLP((4, 3, 2), use_bias=False), members=3)
    assert no_bias.n_params == sum(leaf.size for leaf in jax.tree.leaves(no_bias.init(KEY)))


def test_a_step_descends_the_mean_of_the_members_losses():
    params, rate = random_shared_params(), 0.1

    def objective(params):
        logits = SHARED.apply_members(params, X)[..., 0]
        return jaxbm.losses.sigmoid_binary_cross_entropy(logits, jnp.repeat(Y[:, None], 5, 1)).mean()

    task = Task(SHARED, jaxbm.losses.sigmoid_binary_cross_entropy, 300, 1)
    data, hyper = Data(jnp.asarray(X), jnp.asarray(Y)), Hyper(optimizer=jaxbm.sgd(rate))
    state = loop.run(task, loop.init(task, params, None, data, hyper), data, hyper, counter.words(KEY))
    want = jax.tree.map(lambda p, g: p - rate * g, params, jax.grad(objective)(params))
    for got, expected in zip(jax.tree.leaves(state.params), jax.tree.leaves(want), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-6)
    assert float(state.history["loss"][0]) == pytest.approx(float(objective(params)), rel=1e-5)


def test_the_shared_trunk_learns_about_as_well_as_a_plain_ensemble():
    options = {"loss": BINARY, "epochs": 60, "optimizer": jaxbm.adam(5e-3)}
    held_out = {"loss": BINARY, "metrics": ["roc_auc"]}
    shared = jaxbm.fit(KEY, SHARED, X[:200], Y[:200], metrics=["accuracy"], dropout=0.1, l2=1e-5, **options)
    got = jaxbm.evaluate(SHARED, shared.params, X[200:], Y[200:], **held_out)
    many = jaxbm.fit_members(KEY, SHARED.model, X[:200], Y[:200], members=5, dropout=0.1, l2=1e-5, **options)
    mean = jaxbm.Ensemble.of(many).mean(X[200:])[:, 0]
    plain = float(jaxbm.metrics.roc_auc(mean.astype(np.float32), Y[200:]))
    assert got["roc_auc"] > max(0.75, plain - 0.05)
    assert float(shared.history["accuracy"][-1]) > 0.8
