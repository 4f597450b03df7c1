"""`precision`: the least that a run asks for, what a device makes of it, and that it is told."""

from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params

import jaxbm
from jaxbm.core import precision as precisions
from jaxbm.core.precision import Precision, computing, used
from jaxbm.kernels.registry import IMPLEMENTATIONS
from jaxbm.run import loop

rng = np.random.default_rng(0)
X = rng.normal(size=(24, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.float32)
MODEL, KEY = jaxbm.MLP((3, 4, 1)), jax.random.key(1)
OPTIONS = {"loss": "sigmoid_binary_cross_entropy", "epochs": 2, "batch_size": 8}
ON = [name for name, entry in IMPLEMENTATIONS.items() if entry.off() is None]


@pytest.mark.parametrize("implementation", ON)
def test_on_a_cpu_every_precision_is_float32_and_says_so(implementation):
    plain = jaxbm.fit(KEY, MODEL, X, Y, implementation=implementation, **OPTIONS)
    asked = jaxbm.fit(KEY, MODEL, X, Y, implementation=implementation, precision="bfloat16", **OPTIONS)
    assert plain.precision == asked.precision == "float32"
    assert jax.tree.structure(plain) == jax.tree.structure(asked)  # it is no leaf, and goes through transformations
    jax.tree.map(np.testing.assert_array_equal, plain, asked)


def test_many_members_and_explain_tell_it():
    many = jaxbm.fit_members(KEY, MODEL, X, Y, members=2, precision="highest", **OPTIONS)
    assert many.precision == many.member(1).precision == "float32"
    told = jaxbm.kernels.explain(MODEL, loss="squared_error", precision="tf32")
    assert told.precision == "float32"
    assert "computed in" not in str(told)
    assert "computed in tf32" in str(told._replace(precision=Precision("tf32")))


@pytest.mark.parametrize("value", ["float16", "Highest", 32, ""])
def test_other_names_are_refused(value):
    with pytest.raises(ValueError, match=r"precision: .*known: bfloat16, highest, tf32"):
        jaxbm.fit(KEY, MODEL, X, Y, precision=value, **OPTIONS)


#: Backend, compute capability, what is asked for, JAX's setting: what the products are, and what JAX is asked for.
DEVICES = [
    ("gpu", "9.0", None, None, "tf32", None),
    ("gpu", "7.5", None, None, "float32", None),
    ("gpu", "9.0", None, "highest", "float32", "highest"),
    ("gpu", "9.0", None, "BF16_BF16_F32_X3", "bf16_bf16_f32_x3", "BF16_BF16_F32_X3"),
    ("gpu", "9.0", "highest", None, "float32", "highest"),
    ("gpu", "9.0", "tf32", "highest", "tf32", "default"),
    ("gpu", "7.5", "tf32", None, "float32", "default"),
    ("gpu", "9.0", "bfloat16", None, "bfloat16", "BF16_BF16_F32"),
    ("tpu", None, None, None, "bfloat16", None),
    ("tpu", None, "tf32", None, "bfloat16_3x", "high"),
    ("tpu", None, "bfloat16", None, "bfloat16", "default"),
    ("cpu", None, "bfloat16", None, "float32", "default"),
]


@pytest.mark.parametrize(("backend", "capability", "asked", "setting", "told", "of_jax"), DEVICES)
def test_what_a_device_makes_of_it(backend, capability, asked, setting, told, of_jax):
    device = mock.Mock(spec=["compute_capability"] if capability else [], compute_capability=capability)
    with (
        mock.patch.object(jax, "default_backend", return_value=backend),
        mock.patch.object(jax, "devices", return_value=[device]),
        jax.default_matmul_precision(setting),
    ):
        assert used(asked) == told
        with computing(asked):
            assert jax.config.jax_default_matmul_precision == of_jax


def test_it_is_that_of_every_product_of_the_loop():
    found = []

    def collect(jaxpr):
        for equation in jaxpr.eqns:
            if equation.primitive.name == "dot_general":
                found.append(equation.params["precision"])
            for inner in jaxprs_in_params(equation.params):
                collect(inner)

    def trained(x):
        return jaxbm.fit(KEY, MODEL, x, Y, precision="highest", implementation="xla", **OPTIONS).params

    collect(jax.make_jaxpr(trained)(jnp.asarray(X)).jaxpr)
    assert len(found) >= 4
    assert set(found) == {(jax.lax.Precision.HIGHEST, jax.lax.Precision.HIGHEST)}


def test_the_command_line_offers_the_names():
    from jaxbm.cli import training_options

    assert training_options.NAMED["precision"] == precisions.PRECISIONS


def test_a_sum_over_very_many_steps_keeps_its_digits():
    def step(sums, i):
        return loop._added(sums, jnp.float32(0.1), jnp.float32(1), i), None

    zero = jnp.zeros(())
    sums, _ = jax.lax.scan(step, ((zero, zero), (zero, zero)), jnp.arange(1_000_000))
    total, count = jax.tree.map(jnp.add, *sums)
    assert count == 1_000_000
    assert abs(total / 1e5 - 1) < 6e-5  # added one by one, it is 1% off
