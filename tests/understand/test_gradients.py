import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxbm
from jaxbm import understand


def network(outputs=1, activation="tanh", inputs=4):
    model = jaxbm.MLP((inputs, 16, 8, outputs), activation=activation)
    return model, model.init(jax.random.key(outputs))


def rows(n=30, inputs=4):
    return np.random.default_rng(0).normal(size=(n, inputs)).astype(np.float32)


def test_of_a_straight_line_they_are_its_terms():
    model, x = jaxbm.MLP((4, 2)), rows()
    params = model.init(jax.random.key(0))
    found = understand.integrated_gradients((model, params), x, target=1, baseline=np.ones(4), steps=3)
    np.testing.assert_allclose(found.attributions, (x - 1) * np.asarray(params[0].weight[:, 1]), atol=1e-6)
    np.testing.assert_allclose(found.gap, 0, atol=1e-6)


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("output", ["raw", "probability"])
def test_complete(outputs, output):
    model, params = network(outputs)
    x = rows()
    found = understand.integrated_gradients((model, params), x, output=output)
    raw = [np.asarray(model.apply(params, at)) for at in (x, np.zeros_like(x))]
    if output == "probability":
        raw = [np.asarray(jax.nn.sigmoid(r) if outputs == 1 else jax.nn.softmax(r)) for r in raw]
    want = np.take_along_axis(raw[0] - raw[1], found.target[:, None], axis=1)[:, 0]
    np.testing.assert_allclose(found.difference, want, atol=1e-6)
    np.testing.assert_allclose(found.attributions.sum(axis=1), want, atol=2e-6)
    np.testing.assert_array_equal(found.target, raw[0].argmax(axis=1))


def test_too_few_steps_are_told():
    model, params = network()
    x = 20 * rows()
    with pytest.warns(understand.CompletenessWarning, match="take more than steps=1"):
        found = understand.integrated_gradients((model, params), x, steps=1)
    assert np.abs(found.gap).max() > 0.02 * np.abs(found.difference).max()


def test_blocks_of_steps_make_no_difference(monkeypatch):
    model, params = network()
    whole = understand.integrated_gradients((model, params), rows(), steps=7)
    monkeypatch.setattr(understand.gradients, "BLOCK_ROWS", 60)  # two steps at once, and one left over
    parts = understand.integrated_gradients((model, params), rows(), steps=7)
    np.testing.assert_allclose(parts.attributions, whole.attributions, atol=1e-6)


def test_columns_add_up():
    model, params = network()
    found = understand.integrated_gradients((model, params), rows(), columns={"a": [0, 3], "b": [1]})
    assert found.names == ("a", "b")
    np.testing.assert_allclose(found.by_column[:, 0], found.attributions[:, 0] + found.attributions[:, 3])
    assert list(found.table()) == ["a", "b"]
    np.testing.assert_allclose(found.mean_size, np.abs(found.by_column).mean(axis=0))


@pytest.mark.parametrize("temperature", [1.0, 2.0])
@pytest.mark.parametrize("outputs", [1, 3])
def test_an_ensemble(outputs, temperature):
    model, _ = network(outputs)
    params = jax.vmap(model.init)(jax.random.split(jax.random.key(0), 4))
    ensemble = jaxbm.Ensemble(model, params, weights=[1, 2, 3, 4], temperature=temperature)
    x = rows()
    found = understand.integrated_gradients(ensemble, x, task="classification", target=0, steps=100)
    p = ensemble.probabilities(x) - ensemble.probabilities(np.zeros_like(x))
    np.testing.assert_allclose(found.attributions.sum(axis=1), p[:, 1 if outputs == 1 else 0], atol=1e-5)
    mean = understand.integrated_gradients(ensemble, x, task="regression", target=0, steps=100)
    want = (ensemble.mean(x) - ensemble.mean(np.zeros_like(x)))[:, 0]
    np.testing.assert_allclose(mean.attributions.sum(axis=1), want, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"target": 3}, "target: expected 0 to 2, got 3"),
        ({"target": [0, 1]}, r"target: expected an integer or \[30\]"),
        ({"baseline": np.zeros(3)}, "baseline: expected shape"),
        ({"steps": 0}, "steps: expected at least 1"),
        ({"output": "odds"}, "output: unknown name 'odds'"),
        ({"task": "regression", "output": "probability"}, "output: expected 'raw' for a regression"),
        ({"columns": {"a": [4]}}, "columns: expected places 0 to 3 for 'a', got 4"),
        ({"columns": ["x9"]}, "columns: unknown name 'x9'"),
    ],
)
def test_bad_arguments(options, match):
    with pytest.raises(ValueError, match=match):
        understand.integrated_gradients(network(3), rows(), **options)


def test_what_is_not_a_predictor():
    with pytest.raises(TypeError, match="predictor: expected"):
        understand.integrated_gradients(jaxbm.MLP((4, 1)), rows())


@pytest.mark.parametrize("outputs", [1, 3])
def test_against_captum(outputs):
    torch = pytest.importorskip("torch")
    captum = pytest.importorskip("captum.attr")
    model, params = network(outputs)
    layers = []
    for i, layer in enumerate(params):
        linear = torch.nn.Linear(*layer.weight.shape)
        linear.weight.data = torch.tensor(np.asarray(layer.weight).T)
        linear.bias.data = torch.tensor(np.asarray(layer.bias))
        layers += [linear, torch.nn.Tanh()] if i < len(params) - 1 else [linear]
    x, baseline = rows(), np.full(4, 0.3, np.float32)
    want = captum.IntegratedGradients(torch.nn.Sequential(*layers)).attribute(
        torch.tensor(x), baselines=torch.tensor(baseline)[None], target=outputs - 1, n_steps=50
    )
    got = understand.integrated_gradients((model, params), x, baseline=baseline, target=outputs - 1, steps=50)
    np.testing.assert_allclose(got.attributions, want.detach().numpy(), atol=1e-4)
    assert jnp.abs(got.attributions).max() > 0.1
