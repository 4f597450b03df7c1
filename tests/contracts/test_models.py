"""What every model owes: it works wherever a model is taken, and gives there what its own functions give."""

import dataclasses
import math
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm.models import registry
from jaxbm.models.protocol import as_model, example_losses, shapes_of

KEY = jax.random.key(3)
RNG = np.random.default_rng(0)
Y = (RNG.normal(size=90) > 0).astype(np.float32)
SHOP = np.arange(90) % 3


@jaxbm.models.register
@dataclasses.dataclass(frozen=True)
class Linear(jaxbm.Model):
    """A model of one's own that defines no more than it must."""

    inputs: int
    n_outputs: int = 1

    @property
    def input_shape(self):
        return (self.inputs,)

    def init(self, key):
        return {"weight": jax.random.normal(key, (self.inputs, self.n_outputs)), "bias": jnp.zeros(self.n_outputs)}

    def apply(self, params, x):
        return x @ params["weight"] + params["bias"]


@jaxbm.models.register
@dataclasses.dataclass(frozen=True)
class Picture(jaxbm.Model):
    """Features of two axes."""

    input_shape: tuple[int, ...] = (4, 2)
    n_outputs: int = 1

    def init(self, key):
        return [jax.random.normal(key, (*self.input_shape, self.n_outputs)) / 8]

    def apply(self, params, x):
        return jnp.einsum("...ab,abo->...o", jnp.tanh(x), params[0])


MODELS = {
    "mlp": jaxbm.MLP((8, 5, 1)),
    "mlp_no_bias": jaxbm.MLP((8, 5, 1), activation="tanh", use_bias=False),
    "batch_ensemble": jaxbm.BatchEnsemble(jaxbm.MLP((8, 5, 1)), members=4),
    "linear": Linear(8),
    "picture": Picture(),
    "functions": jaxbm.FunctionModel(
        lambda key: {"w": jax.random.normal(key, (8, 1))}, lambda params, x: x @ params["w"], (8,), 1
    ),
}
OPTIONS = {"loss": "sigmoid_binary_cross_entropy", "epochs": 3}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param]


def features(model, rows=90, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, *model.input_shape)).astype(np.float32)


def logits(model, params, x):
    return np.asarray(model.apply(params, jnp.asarray(x)))


def close(a, b, rtol=2e-5, atol=2e-6):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), a, b)


def test_every_model_of_ours_is_here():
    known = {kind for kind in registry.KINDS.values() if kind.__module__.startswith("jaxbm.")}
    ours = {kind for kind in known if hasattr(sys.modules[kind.__module__], kind.__name__)}  # not examples' own
    assert ours | {jaxbm.FunctionModel} <= set(map(type, MODELS.values()))


def test_it_is_a_model(model):
    assert as_model(model) is model
    assert hash(model) == hash(model)
    assert model == model
    params = model.init(KEY)
    assert model.n_params == sum(leaf.size for leaf in jax.tree.leaves(params))
    close(params, jax.jit(model.init)(KEY))
    model.check_params(params)
    out = logits(model, params, features(model))
    assert out.shape == (90, model.n_outputs)
    assert f"{model.n_params:,}" in model.summary()
    assert isinstance(model.title, str)
    assert jax.tree.structure(shapes_of(model)) == jax.tree.structure(params)


def test_params_of_another_shape_are_refused(model):
    params = model.init(KEY)
    bad = jax.tree.map(lambda leaf: jnp.concatenate([leaf, leaf]), params)
    with pytest.raises(ValueError, match="params: expected"):
        model.check_params(bad)
    with pytest.raises(ValueError, match="params: expected"):
        jaxbm.fit(KEY, model, features(model), Y, params=bad, **OPTIONS)


def test_a_penalty_may_be_a_plain_number():
    class Unpenalised(Linear):
        def penalty(self, params):
            return 0.0

    x = features(Unpenalised(8))
    found = jax.eval_shape(lambda key: jaxbm.fit(key, Unpenalised(8), x, Y, **OPTIONS, l2=0.1), KEY)
    assert found.params["weight"].shape == (8, 1)


def test_fit_descends_its_own_losses_and_penalty(model):
    x = features(model)
    start = model.init(KEY)
    loss = jaxbm.losses.sigmoid_binary_cross_entropy

    def objective(params):
        return model.example_losses(params, jnp.asarray(x), jnp.asarray(Y), loss).mean() + 0.1 * model.penalty(params)

    grads = jax.grad(objective)(start)
    want = jax.tree.map(lambda p, g: p - 0.5 * g, start, grads)
    options = OPTIONS | {"epochs": 1, "batch_size": 90, "optimizer": jaxbm.sgd(0.5), "l2": 0.1, "shuffle": False}
    result = jaxbm.fit(KEY, model, x, Y, params=start, **options)
    close(result.params, want)
    values = example_losses(loss, model.apply(start, jnp.asarray(x)), jnp.asarray(Y))
    if not isinstance(model, jaxbm.BatchEnsemble):  # whose loss is the mean of its members', not that of their mean
        close(result.history["loss"][0], values.mean())


def test_fit_validates_stops_and_reports(model):
    x = features(model)
    options = OPTIONS | {"validation_split": 0.2, "patience": 2, "metrics": ["roc_auc"], "clip_norm": 1.0}
    result = jaxbm.fit(KEY, model, x, Y, **options)
    assert set(result.history) == {"loss", "val_loss", "roc_auc", "val_roc_auc"}
    assert bool(result.finite)
    measured = jaxbm.evaluate(model, result.params, x[72:], Y[72:], loss=OPTIONS["loss"])
    close(measured["loss"], np.nanmin(result.history["val_loss"]))


def test_predict_and_evaluate(model):
    x, params = features(model, rows=70), model.init(KEY)
    close(jaxbm.predict(model, params, x, batch_size=32), logits(model, params, x))
    measured = jaxbm.evaluate(model, params, x, Y[:70], loss=OPTIONS["loss"], metrics=["accuracy"])
    assert measured["accuracy"] == pytest.approx(((logits(model, params, x)[:, 0] > 0) == Y[:70]).mean())
    wrong = x[:, :-1]
    with pytest.raises(ValueError, match="x: expected shape"):
        jaxbm.predict(model, params, wrong)
    with pytest.raises(ValueError, match="x: expected shape"):
        jaxbm.fit(KEY, model, wrong, Y[:70], **OPTIONS)


def test_members_are_what_fit_gives_alone(model):
    x = features(model)
    many = jaxbm.fit_members(
        KEY, model, x, Y, members=3, optimizer=jaxbm.adam(jnp.asarray([0.1, 0.01, 0.03])), **OPTIONS
    )
    rate = [0.1, 0.01, 0.03]
    alone = jaxbm.fit(jax.random.fold_in(KEY, 1), model, x, Y, optimizer=jaxbm.adam(rate[1]), **OPTIONS)
    close(many.member(1).params, alone.params, rtol=1e-4, atol=1e-5)
    ensemble = jaxbm.Ensemble.of(many)
    close(ensemble.logits(x)[2], logits(model, many.member(2).params, x), rtol=1e-4, atol=1e-5)
    assert many.model == model
    mapped = jax.vmap(lambda key: jaxbm.fit(key, model, x, Y, **OPTIONS).params)(jax.random.split(KEY, 2))
    assert all(leaf.shape[0] == 2 for leaf in jax.tree.leaves(mapped))


def test_members_own_features(model):
    x = np.stack([features(model, seed=k) for k in range(2)])
    many = jaxbm.fit_members(KEY, model, x, Y, members=2, **OPTIONS)
    alone = jaxbm.fit(jax.random.fold_in(KEY, 1), model, x[1], Y, **OPTIONS)
    close(many.member(1).params, alone.params, rtol=1e-4, atol=1e-5)


def test_studies(model):
    x = features(model)
    found = jaxbm.sweep({"learning_rate": [0.1, 0.01]}, KEY, model, x, Y, method="grid", folds=2, **OPTIONS)
    assert found.scores.shape == (2, 1, 2)
    assert np.isfinite(found.scores).all()
    assert found.model == model
    judged = jaxbm.cross_validate(KEY, model, x, Y, folds=3, **OPTIONS)
    assert judged.predictions.shape == (1, 90, model.n_outputs)
    grouped = jaxbm.fit_groups(KEY, model, x, Y, SHOP, pooled=True, **OPTIONS)
    close(
        grouped.predict(x, SHOP)[SHOP == 1],
        logits(model, grouped.member(1).params, x[SHOP == 1]),
        rtol=1e-4,
        atol=1e-5,
    )
    with pytest.raises(ValueError, match="space: "):
        jaxbm.sweep({"nonsense": [1, 2]}, KEY, model, x, Y, **OPTIONS)


def test_variants(model):
    x = features(model)
    space = {"hidden": [(3,), (6, 2)]}
    if isinstance(model, jaxbm.MLP | jaxbm.BatchEnsemble):
        found = jaxbm.sweep(space, KEY, model, x, Y, method="grid", **OPTIONS)
        assert found.scores.shape[0] == 2
        assert found.model == model.variant(hidden=space["hidden"][found.best])
    else:
        with pytest.raises(ValueError, match=r"space: \w+ has no hidden to vary"):
            jaxbm.sweep(space, KEY, model, x, Y, method="grid", **OPTIONS)


def test_members_of_different_widths():
    x = features(MODELS["mlp"])
    kinds = [jaxbm.MLP((8, 3, 1)), jaxbm.MLP((8, 6, 1))]
    many = jaxbm.fit_members(KEY, kinds, x, Y, members=2, **OPTIONS)
    assert many.model.sizes == (8, 6, 1)
    shared = [jaxbm.BatchEnsemble(kind, members=2) for kind in kinds]
    with pytest.raises(ValueError, match="model: expected one for all members"):
        jaxbm.fit_members(KEY, shared, x, Y, members=2, **OPTIONS)


def test_save_and_load_bit_for_bit(model, tmp_path):
    x, params = features(model), model.init(KEY)
    if isinstance(model, jaxbm.FunctionModel):
        with pytest.raises(TypeError, match="model: expected one that can be described, got a FunctionModel"):
            jaxbm.save(tmp_path / "m", model, params)
        assert not (tmp_path / "m").exists()
        return
    jaxbm.save(tmp_path / "m", model, params, metadata={"loss": OPTIONS["loss"]})
    loaded = jaxbm.load(tmp_path / "m")
    assert loaded.model == model
    assert loaded.metadata == {"loss": OPTIONS["loss"]}
    assert jax.tree.structure(loaded.params) == jax.tree.structure(params)
    np.testing.assert_array_equal(jaxbm.predict(model, loaded.params, x), jaxbm.predict(model, params, x))
    many = jaxbm.fit_members(KEY, model, x, Y, members=3, **OPTIONS)
    jaxbm.save_members(tmp_path / "e", jaxbm.Ensemble.of(many))
    again = jaxbm.load_members(tmp_path / "e").predictor
    np.testing.assert_array_equal(again.mean(x), jaxbm.Ensemble.of(many).mean(x))
    groups = jaxbm.fit_groups(KEY, model, x, Y, SHOP, pooled=True, **OPTIONS)
    jaxbm.save_members(tmp_path / "g", groups)
    again = jaxbm.load_members(tmp_path / "g").predictor
    np.testing.assert_array_equal(again.predict(x, SHOP + 1), groups.predict(x, SHOP + 1))


@pytest.mark.parametrize("name", ["mlp", "mlp_no_bias", "batch_ensemble"])
def test_half_precision_features_are_promoted(name):
    model = MODELS[name]
    params, x = model.init(KEY), features(model) * 100
    for dtype in (np.float16, jnp.bfloat16):
        narrow = x.astype(dtype)
        out = model.apply(params, jnp.asarray(narrow))
        assert out.dtype == jnp.float32
        close(out, logits(model, params, narrow.astype(np.float32)))


@pytest.mark.parametrize("implementation", [None, "xla"])
def test_features_in_half_precision_train_as_the_numbers_that_they_are(implementation):
    narrow = (1000 * features(MODELS["mlp"])).astype(np.float16)  # their squares are more than float16 holds
    options = {**OPTIONS, "loss": "squared_error", "implementation": implementation}
    found, want = (jaxbm.fit(KEY, MODELS["mlp"], x, Y, **options) for x in (narrow, narrow.astype(np.float32)))
    np.testing.assert_allclose(found.history["loss"], want.history["loss"], rtol=1e-5)
    assert found.params[0].weight.dtype == jnp.float32


def test_explain(model):
    told = jaxbm.kernels.explain(model, loss=OPTIONS["loss"])
    assert told.implementation in ("cpu", "program", "xla")
    if not isinstance(model, jaxbm.MLP):
        assert told.implementation != "cpu"
        with pytest.raises(NotImplementedError, match="implementation='cpu'"):
            jaxbm.fit(KEY, model, features(model), Y, implementation="cpu", **OPTIONS)


def test_what_is_no_model_is_refused():
    x = features(MODELS["mlp"])
    with pytest.raises(TypeError, match=r"model: expected one such as jaxbm\.MLP, got int, which lacks input_shape"):
        jaxbm.fit(KEY, 3, x, Y, **OPTIONS)
    bare = type("Bare", (jaxbm.Model,), {"n_outputs": 1})()
    with pytest.raises(TypeError, match="got Bare, which lacks input_shape, init, apply"):
        jaxbm.fit(KEY, bare, x, Y, **OPTIONS)
    half = type("Half", (), {"input_shape": (8,), "n_outputs": 1, "init": print, "apply": print})()
    for train in (jaxbm.fit, lambda *a, **o: jaxbm.fit_members(*a, members=2, **o)):
        with pytest.raises(TypeError, match=r"model: expected a subclass of jaxbm\.Model"):
            train(KEY, half, x, Y, **OPTIONS)


def test_names_of_classes_are_unique():
    with pytest.raises(ValueError, match="expected a name of its own"):
        jaxbm.models.register(type("MLP", (jaxbm.MLP,), {}))


def test_another_optimizers_state_and_foreign_biases_are_refused():
    x, model = features(MODELS["mlp"]), MODELS["mlp"]
    state = jaxbm.sgd(0.1, momentum=0.9).init(model.init(KEY))
    for train in (jaxbm.fit, lambda *a, **o: jaxbm.fit_members(*a, members=2, **o)):
        with pytest.raises(ValueError, match="opt_state: expected"):
            train(KEY, model, x, Y, opt_state=state, **OPTIONS)
        for implementation in (None, "xla"):
            with pytest.raises(ValueError, match="params: expected"):
                train(
                    KEY, MODELS["mlp_no_bias"], x, Y, params=model.init(KEY), implementation=implementation, **OPTIONS
                )
    with pytest.raises(ValueError, match="params: expected biases"):
        jaxbm.predict(MODELS["mlp_no_bias"], model.init(KEY), x)
    with pytest.raises(ValueError, match="params: expected biases"):
        jaxbm.predict(model, MODELS["mlp_no_bias"].init(KEY), x)


def test_flax_and_equinox_models():
    linen = pytest.importorskip("flax.linen")
    equinox = pytest.importorskip("equinox")
    x = features(MODELS["mlp"])

    net = linen.Sequential([linen.Dense(5), linen.relu, linen.Dense(1)])
    flax = jaxbm.FunctionModel(lambda key: net.init(key, jnp.zeros((1, 8))), net.apply, (8,), 1)

    def make(key):
        return equinox.nn.MLP(8, 1, 5, 1, key=key)

    static = equinox.partition(make(KEY), equinox.is_array)[1]
    eqx = jaxbm.FunctionModel(
        lambda key: equinox.filter(make(key), equinox.is_array),
        lambda params, x: jax.vmap(equinox.combine(params, static))(x),
        (8,),
        1,
    )
    for model in (flax, eqx):
        result = jaxbm.fit(KEY, model, x, Y, validation_split=0.2, **(OPTIONS | {"epochs": 5}))
        assert math.isfinite(float(result.history["val_loss"][-1]))
        assert result.history["loss"][-1] < result.history["loss"][0]
        assert jaxbm.predict(model, result.params, x).shape == (90, 1)


@pytest.mark.parametrize("name", ["mlp", "mlp_no_bias", "batch_ensemble", "functions"])
def test_ranks_and_types_are_never_promoted(name):
    model, x = MODELS[name], features(MODELS[name])

    def everything(key, x, y):
        params = model.init(key)
        some = [model.apply(params, rows) for rows in (x, x[0], x[None])]
        dropped = model.apply(params, x, dropout=0.1, key=key) if name != "functions" else None
        fitted = jaxbm.fit(key, model, x, y, validation_split=0.2, metrics=["accuracy"], l2=0.1, **OPTIONS)
        return some, dropped, fitted.history

    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        some, _, history = jax.eval_shape(everything, KEY, x, Y)
    assert [leaf.shape[-1] for leaf in some] == [model.n_outputs] * 3
    assert {leaf.dtype.name for leaf in jax.tree.leaves((some, history))} == {"float32"}
