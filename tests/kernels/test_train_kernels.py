"""The arithmetic of every implementation of a training run, judged by float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support.children import python
from support.reference import ACTIVATIONS, LOSSES, Optimizer, table, train

import jaxbm
from jaxbm import shuffle
from jaxbm.core import counter
from jaxbm.kernels import native
from jaxbm.models.mlp import drop

NATIVE = native.native().reason is None
needs_native = pytest.mark.skipif(not NATIVE, reason="the kernels are not compiled here")
KEY = jax.random.key(7)
OPTIMIZERS = {
    "sgd": ("sgd", 0.05, {}),
    "nesterov": ("sgd", 0.02, {"momentum": 0.9, "nesterov": True}),
    "adam": ("adam", 1e-3, {}),
    "nadamw": ("adam", 1e-3, {"weight_decay": 0.01, "nesterov": True}),
}


def our_optimizer(kind, rate, options):
    if kind == "sgd":
        return jaxbm.sgd(rate, **options)
    return (jaxbm.adamw if "weight_decay" in options else jaxbm.adam)(rate, **options)


@functools.cache
def orders(n, epochs):
    """The rows of every epoch, as `fit` with `KEY` takes them."""
    stream = counter.derive(counter.words(KEY), counter.SHUFFLE)
    rows = jnp.arange(n, dtype=jnp.uint32)
    each = jax.vmap(lambda epoch: shuffle.permuted_position(counter.derive(stream, epoch), rows, n))
    return np.asarray(jax.jit(each)(jnp.arange(epochs)))


def distance(params, reference):
    """Relative, over all parameters together."""
    pairs = [
        (a, b) for layer, other in zip(params, reference, strict=True) for a, b in zip(layer, other, strict=True)
    ]
    pairs = [(np.asarray(a, np.float64), b) for a, b in pairs if b is not None]
    return np.sqrt(sum(((a - b) ** 2).sum() for a, b in pairs) / sum((b**2).sum() for _, b in pairs))


def start_of(model):
    """Fresh parameters with biases away from zero, where a kink of the activation could hide behind a symmetry."""

    def moved(layer):
        bias = None if layer.bias is None else np.cos(np.arange(layer.bias.size, dtype=np.float32)) / np.float32(10)
        return layer._replace(bias=bias)

    return tuple(map(moved, model.init(jax.random.key(3))))


def compare(implementation, model, loss, optimizer, x, y, epochs, batch, tolerance, **options):
    kind, rate, numbers = optimizer
    start = start_of(model)
    result = jaxbm.fit(
        KEY, model, x, y, loss=loss, optimizer=our_optimizer(kind, rate, numbers), epochs=epochs, batch_size=batch,
        params=start, implementation=implementation, **options,
    )  # fmt: skip
    masks = None
    if (dropout := options.get("dropout")) is not None:
        stream = counter.derive(counter.words(KEY), counter.DROPOUT)

        def masks(step, rows):
            at = counter.derive(stream, step)
            widths = enumerate(model.sizes[1:-1])
            return [np.asarray(drop(jnp.ones((rows, w)), dropout, counter.derive(at, i))) for i, w in widths]

    def judge(noise=0.0, seed=0):
        return train(
            start, model.activations, loss, Optimizer(kind, rate, noise=noise, seed=seed, **numbers), x,
            np.asarray(y), orders(len(x), epochs), batch, weight=options.get("sample_weight"),
            l2=options.get("l2", 0.0), clip=options.get("clip_norm"), masks=masks,
        )  # fmt: skip

    reference, history = judge()
    error, slack = distance(result.params, reference), 1e-6
    if error >= tolerance:
        # Is the path well-conditioned? Float64 runs with float32's rounding in every step say how far that carries
        # them: at the kink of a relu, one example more or less on a side moves all that follows.
        nearby = [judge(noise=2e-7, seed=seed) for seed in range(8)]
        tolerance = 2 * max(distance(params, reference) for params, _ in nearby)
        slack = 2 * max(np.abs(other - history).max() for _, other in nearby)
    assert error < tolerance
    np.testing.assert_allclose(result.history["loss"], history, rtol=2e-5, atol=slack)


#: Every activation with every loss, and each of both with every optimizer: what the kernel puts together of two.
PAIRS = [
    (activation, loss, list(OPTIMIZERS)[(i + k) % len(OPTIMIZERS)])
    for i, activation in enumerate(ACTIVATIONS)
    for k, loss in enumerate(LOSSES)
]


def test_every_pair_of_two_is_among_the_cases():
    kinds = [set(kind) for kind in zip(*PAIRS, strict=True)]
    assert kinds == [set(ACTIVATIONS), set(LOSSES), set(OPTIMIZERS)]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert len({(case[one], case[other]) for case in PAIRS}) == len(kinds[one]) * len(kinds[other])


@needs_native
@pytest.mark.parametrize(("activation", "loss", "optimizer"), PAIRS)
def test_500_steps_are_within_1e_5_of_float64(activation, loss, optimizer):
    outputs = {"squared_error": 1, "huber_loss": 2, "sigmoid_binary_cross_entropy": 1}.get(loss, 5)
    x, y = table(100, 6, outputs, loss)
    model = jaxbm.MLP((6, 17, 15, outputs), activation=activation)
    compare("cpu", model, loss, OPTIMIZERS[optimizer], x, y, epochs=72, batch=16, tolerance=1e-5)


def test_xla_float32_as_second_witness():
    x, y = table(100, 6, 1, "squared_error")
    model = jaxbm.MLP((6, 17, 15, 1), activation="tanh")
    compare("xla", model, "squared_error", OPTIMIZERS["adam"], x, y, epochs=72, batch=16, tolerance=1e-4)


SHAPES = [
    ((1, 1), 1),
    ((16, 1), 1),
    ((3, 3), 257),
    ((33, 5), 7),
    ((100, 17, 1), 16),
    ((15, 16, 4), 33),
    ((17, 33, 3, 2), 31),
    ((5, 100, 1, 15, 1), 64),
    ((2, 16, 15, 33, 17, 3), 128),
    ((3, 17, 3, 33, 1, 16, 6), 8),
    ((7, 8, 9, 10, 11, 12, 13), 100),
    ((130, 150, 128, 3), 70),  # wide enough for tiles, which it does not fill
    ((128, 161, 1), 257),
]


def shown(shape):
    return "x".join(map(str, shape[0])) + f"by{shape[1]}"


@needs_native
@pytest.mark.parametrize(("sizes", "batch"), SHAPES, ids=map(shown, SHAPES))
@pytest.mark.parametrize("loss", ["squared_error", "softmax_cross_entropy_with_integer_labels"])
def test_depths_widths_and_batches(sizes, batch, loss):
    if loss.startswith("softmax") and sizes[-1] == 1:
        loss = "sigmoid_binary_cross_entropy"
    x, y = table(257, sizes[0], sizes[-1], loss, seed=len(sizes))
    model = jaxbm.MLP(sizes, activation="tanh")
    # Without a fused multiply-add every product is rounded as well as every sum.
    tolerance = 4e-6 if native.native().isa == "v2" else 2e-6
    compare("cpu", model, loss, OPTIMIZERS["adam"], x, y, epochs=3, batch=batch, tolerance=tolerance)


OPTIONS = [
    {"sample_weight": np.linspace(0, 2, 90, dtype=np.float32)},
    {"l2": 0.01},
    {"clip_norm": 0.05},
    {"clip_norm": 0.05, "l2": 0.01, "sample_weight": np.linspace(0, 2, 90, dtype=np.float32)},
    {"dropout": 0.3},
    {"dropout": 0.5, "clip_norm": 0.1, "l2": 1e-3},
]
WITH_OPTIONS = ("adam", "nesterov", "sgd")
#: By the kernel every pair of these, with activations in turn; by the loop, whose parts are the same for all, each.
CASES = [
    ("cpu", options, optimizer, ("relu", "silu")[(i + k) % 2])
    for i, options in enumerate(OPTIONS)
    for k, optimizer in enumerate(WITH_OPTIONS)
]
CASES += [("xla", options, WITH_OPTIONS[i % 3], "silu") for i, options in enumerate(OPTIONS)]


@needs_native
@pytest.mark.parametrize(
    ("implementation", "options", "optimizer", "activation"),
    CASES,
    ids=["-".join((name, *options, optimizer, activation)) for name, options, optimizer, activation in CASES],
)
def test_options(implementation, options, optimizer, activation):
    x, y = table(90, 6, 3, "squared_error")
    model = jaxbm.MLP((6, 33, 16, 3), activation=activation)
    tolerance = 1e-5 if implementation == "cpu" else 1e-4
    compare(implementation, model, "squared_error", OPTIMIZERS[optimizer], x, y, 5, 16, tolerance, **options)


@needs_native
@pytest.mark.parametrize("options", [{"l2": 0.01}, {"clip_norm": 0.05}, {"dropout": 0.3}], ids=lambda o: "-".join(o))
@pytest.mark.parametrize("optimizer", ["adam", "nesterov"])
def test_options_of_wide_layers(options, optimizer):
    x, y = table(150, 128, 3, "squared_error")
    # Relu has passes of its own; each option has it once, and another activation with the other optimizer.
    activation = "relu" if (optimizer == "adam") == ("clip_norm" in options) else "silu"
    model = jaxbm.MLP((128, 130, 144, 3), activation=activation)
    compare("cpu", model, "squared_error", OPTIMIZERS[optimizer], x, y, 3, 64, 1e-5, **options)


@needs_native
def test_a_learning_rate_of_zero_moves_nothing():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 4)).astype(np.float32)
    model = jaxbm.MLP((4, 8, 1))
    start = model.init(jax.random.key(1))
    options = {"loss": "squared_error", "optimizer": jaxbm.adam(0.0), "epochs": 2, "params": start}
    result = jaxbm.fit(jax.random.key(0), model, x, 1e4 * (x[:, 0] + 1), implementation="cpu", **options)
    for before, after in zip(jax.tree.leaves(start), jax.tree.leaves(result.params), strict=True):
        np.testing.assert_array_equal(after, before)


@pytest.mark.promotes  # Optax's schedules do
def test_no_bias_and_a_learning_rate_per_step():
    x, y = table(90, 6, 3, "squared_error")
    schedule = optax.cosine_decay_schedule(0.01, 20)
    model = jaxbm.MLP((6, 20, 3), activation=("gelu",), use_bias=False)
    fixed = ("adam", lambda count: float(schedule(count)), {})
    start = model.init(KEY)
    result = jaxbm.fit(
        KEY, model, x, y, loss="l2_loss", optimizer=jaxbm.adam(schedule), epochs=4, params=start, implementation="cpu"
    )
    optimizer = Optimizer(fixed[0], fixed[1])
    reference, _ = train(start, model.activations, "l2_loss", optimizer, x, y, orders(90, 4), 32)
    assert distance(result.params, reference) < 2e-6


@needs_native
@pytest.mark.parametrize("isa", ["v2", "v3", "v4"])
def test_lesser_instruction_sets(isa):
    # Every other shape, and those with tiles; and the functions whose polynomials take the most steps.
    shapes = [shape for i, shape in enumerate(SHAPES) if (i + int(isa[1])) % 2 or max(shape[0]) > 100]
    chosen = [f"test_depths_widths_and_batches[squared_error-{shown(shape)}]" for shape in shapes]
    steps = [case for case in PAIRS if "gelu" in case[0] and case[2] == "nadamw"]
    chosen += [f"test_500_steps_are_within_1e_5_of_float64[{'-'.join(case)}]" for case in steps]
    options = "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"
    done = python(*options, *(f"{__file__}::{test}" for test in chosen), JAXBM_ISA=isa)
    assert f"{len(chosen)} passed" in done.stdout
