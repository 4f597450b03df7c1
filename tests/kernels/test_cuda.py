"""The CUDA kernel, on a GPU or else emulated: its own source against the reference loop, by each option, from Python
to driver."""

import functools
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from support import emulated

import jaxbm
from jaxbm.core import counter
from jaxbm.kernels import dispatch, native, registry
from jaxbm.kernels.cuda import machine, nvrtc, train, trial
from jaxbm.kernels.cuda.plan import Plan
from jaxbm.kernels.cuda.vocabulary import codes
from jaxbm.kernels.spare import spared
from jaxbm.run import contract, loop
from jaxbm.run.training import Training

pytestmark = pytest.mark.skipif(
    emulated.COMPILER is None or isinstance(machine.launcher(), str),
    reason=f"no g++, or: {machine.launcher() if isinstance(machine.launcher(), str) else 'all there'}",
)
rng = np.random.default_rng(7)
N = 41
X = jnp.asarray(rng.normal(size=(N, 4)), jnp.float32)
SCORE = jnp.tanh(X @ jnp.asarray(rng.normal(size=(4, 3)), jnp.float32))
CLASSES = SCORE.argmax(1).astype(jnp.int32)
LABELS = {
    "squared_error": SCORE[:, 0],
    "l2_loss": SCORE,
    "huber_loss": SCORE[:, :2] * 2,
    "sigmoid_binary_cross_entropy": (SCORE[:, 0] > 0).astype(jnp.float32),
    "softmax_cross_entropy": jax.nn.softmax(3 * SCORE),
    "softmax_cross_entropy_with_integer_labels": CLASSES,
}
WEIGHT = jnp.asarray(rng.random(N), jnp.float32).at[3].set(0)
ROWS = jnp.asarray(rng.permutation(N)[:29], jnp.int32)
KEY = jax.random.key(2)


class Hardware:
    """A GPU that is there: what counts its driver's calls, or lets them fail, is left to the emulation."""

    def __init__(self, found):
        self.machine = lambda: found

    def __getattr__(self, name):
        pytest.skip("the emulation's driver alone tells what it was asked")


@pytest.fixture(scope="module")
def emulation(tmp_path_factory):
    if isinstance(found := machine.machine(), machine.Machine):
        yield Hardware(found)
        return
    gpu = emulated.Emulation(tmp_path_factory.mktemp("cuda"))
    yield gpu
    gpu.close()


@pytest.fixture(autouse=True)
def gpu(emulation, monkeypatch):
    made = emulation.machine()
    monkeypatch.setattr(machine, "machine", lambda: made)
    with jax.default_matmul_precision("highest"):  # the reference in float32, on a GPU too
        yield emulation


@pytest.fixture
def by_itself(monkeypatch):
    """The kernel is the fastest at every run, and nothing was tried or told yet."""
    always = replace(registry.IMPLEMENTATIONS["cuda"], slower=lambda run: None)
    monkeypatch.setitem(registry.IMPLEMENTATIONS, "cuda", always)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    trial.forget()
    dispatch._warn_once.cache_clear()
    yield
    trial.forget()


def case(loss="squared_error", hidden=(6,), data=None, model=None, **options):
    """A run; with `alpha` instead of `l2` it is over each batch's rows."""
    labels = LABELS[loss]
    outputs = 3 if "integer" in loss else 1 if labels.ndim == 1 else labels.shape[1]
    model = model or jaxbm.MLP((4, *hidden, outputs), activation=options.pop("activation", "relu"))
    options = {"epochs": 2, "batch_size": 16, "optimizer": jaxbm.adam(1e-2)} | options
    alpha = options.pop("alpha", None)
    options |= {} if alpha is None else {"l2": alpha}
    run = Training(loss=loss, **options).build(model, contract.Data(X, labels, **(data or {})))
    return run._replace(task=replace(run.task, l2_over_rows=alpha is not None))


EVERY_ACTIVATION = tuple(codes("ACTIVATIONS"))
SCHEDULE = optax.linear_schedule(3e-2, 1e-3, 6)
CASES = {
    "every activation": case(hidden=(5, 6, 8, 7, 5, 6, 9, 5, 6, 5), activation=EVERY_ACTIVATION, epochs=1),
    "plain": case(),
    "one layer": case("l2_loss", (), optimizer=jaxbm.sgd(0.1), shuffle=False),
    "momentum": case("huber_loss", optimizer=jaxbm.sgd(0.05, momentum=0.9), bootstrap=True),
    "Nesterov": case(
        "sigmoid_binary_cross_entropy",
        optimizer=jaxbm.sgd(SCHEDULE, momentum=0.9, nesterov=True),
        model=jaxbm.MLP((4, 6, 5, 1), activation="silu", use_bias=False),
        alpha=0.5,
    ),
    "distributions": case(
        "softmax_cross_entropy",
        (33,),
        optimizer=jaxbm.adam(1e-2, nesterov=True, eps_root=1e-8),
        clip_norm=0.2,
        l2=0.01,
        batch_size=40,
    ),
    "all at once": case(
        "softmax_cross_entropy_with_integer_labels",
        (7, 6),
        activation="tanh",
        data={"weight": WEIGHT, "class_weight": jnp.asarray([0.5, 1, 2], jnp.float32), "rows": ROWS},
        optimizer=jaxbm.adamw(SCHEDULE, weight_decay=0.05),
        alpha=0.2,
        clip_norm=0.5,
        dropout=0.3,
    ),
}


def arguments(run, key=KEY):
    state = loop.init(run.task, run.task.model.init(key), None, run.data, run.hyper)
    return state, run.data, run.hyper, counter.words(key)


def amid(run):
    """`arguments` of a run in its second epoch, with moments that it could have."""
    state, *rest = arguments(run)

    def grown(leaf):
        return (
            leaf + 3
            if leaf.ndim == 0
            else 0.03 + 0.02 * jnp.cos(jnp.arange(leaf.size, dtype="f")).reshape(leaf.shape)
        )

    return state._replace(epoch=jnp.int32(1), opt_state=jax.tree.map(grown, state.opt_state)), *rest


def passed(way, run):
    """An epoch of it, by `way`."""
    return jax.jit(functools.partial(way, run.task))(*amid(run))


def agree(got, want, rtol=3e-5, atol=3e-6):
    assert jax.tree.structure(got) == jax.tree.structure(want)
    for a, b in zip(jax.tree.leaves(got), jax.tree.leaves(want), strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


@pytest.mark.parametrize("name", CASES)
def test_an_epoch_is_that_of_the_reference(name):
    run = CASES[name]
    assert train.unsupported(run) is None
    agree(passed(train._one_pass, run), passed(loop.pass_over_rows, run))


#: Cases for tensor cores, with threads and tiles of a strip: rows of a warp in one, two and three tiles, strips that
#: are full, short and lack their lower half.
ON_TENSOR_CORES = [("every activation", 64, 1), ("all at once", 32, 2), ("distributions", 64, 3), ("Nesterov", 32, 2)]


def on_tensor_cores(monkeypatch, threads, tile, parts=3):
    monkeypatch.setattr(train, "plan", lambda shape, architecture: Plan(shape, threads, tile, 1, parts))


@pytest.mark.parametrize(("name", "threads", "tile"), ON_TENSOR_CORES)
def test_an_epoch_on_tensor_cores_is_that_of_the_reference(name, threads, tile, monkeypatch):
    on_tensor_cores(monkeypatch, threads, tile)
    agree(passed(train._one_pass, CASES[name]), passed(loop.pass_over_rows, CASES[name]))


def test_in_one_part_it_is_tf32(monkeypatch):
    on_tensor_cores(monkeypatch, 32, 1, parts=1)
    got, want = passed(train._one_pass, CASES["plain"]), passed(loop.pass_over_rows, CASES["plain"])
    agree(got, want, rtol=5e-3, atol=2e-3)
    with pytest.raises(AssertionError):
        agree(got, want)
    run = CASES["plain"]
    strange = jnp.asarray(np.full(X.shape, 0x7FFFFFFF, "u4").view("f4"))  # the NaN that GPUs make
    run = run._replace(data=run.data._replace(x=strange))
    assert not any(np.isfinite(leaf).any() for leaf in jax.tree.leaves(passed(train._one_pass, run)[0]))


def test_the_cases_know_the_whole_vocabulary_and_every_flag():
    shapes = [train.shape_of(run) for run in CASES.values()]
    assert set().union(*(shape.activations for shape in shapes)) == set(codes("ACTIVATIONS").values())
    assert {shape.loss for shape in shapes} == set(codes("LOSSES").values())
    flags = set().union(*(shape.flags for shape in shapes))
    assert flags == set(train.FLAGS) - {"WIDTHS"}  # padded members are below
    if native.native().reason is None:
        for kind in ("activation", "loss", "optimizer"):
            plural = {"activation": "ACTIVATIONS", "loss": "LOSSES", "optimizer": "OPTIMIZERS"}[kind]
            assert tuple(codes(plural)) == native.names(kind)


@pytest.mark.parametrize("parts", [0, 3])
def test_it_is_as_near_to_float64_as_plain_float32(parts, monkeypatch):
    run = CASES["plain"]
    if parts:
        on_tensor_cores(monkeypatch, 32, 1, parts)
    got, plain = (passed(f, run)[0] for f in (train._one_pass, loop.pass_over_rows))
    with jax.enable_x64(True):
        wide = jax.tree.map(
            lambda a: jnp.asarray(np.asarray(a, "f8")) if jnp.result_type(a) == jnp.float32 else a, amid(run)
        )
        exact = jax.device_get(jax.jit(functools.partial(loop.pass_over_rows, run.task))(*wide)[0])

    def far(params):
        return max(
            np.abs(np.asarray(a) - b).max() for a, b in zip(*map(jax.tree.leaves, (params, exact)), strict=True)
        )

    assert far(got) < 3 * far(plain) + 1e-7
    assert 0 < far(got) < 5e-6


MODEL = jaxbm.MLP((4, 6, 1))


def members(implementation="cuda", model=MODEL, **options):
    options = {"epochs": 3, "batch_size": 16, "loss": "squared_error"} | options
    return jaxbm.fit_members(KEY, model, X, SCORE[:, 0], members=3, implementation=implementation, **options)


def test_members_share_the_table_stop_early_and_equal_those_alone(gpu):
    rates = jnp.asarray([1e-3, 1e-2, 1e-1])
    options = {
        "optimizer": jaxbm.adam(rates),
        "validation_split": 0.3,
        "patience": 1,
        "epochs": jnp.asarray([4, 2, 3]),
    }
    before = gpu.counts()
    many = members(**options)
    agree(many, members(implementation="xla", **options))
    assert set(np.asarray(many.epochs_run)) > {2}
    after = gpu.counts()
    assert after[1] - before[1] <= 4  # an epoch of all members is one launch
    own = options | {"optimizer": jaxbm.adam(1e-2), "epochs": 2, "loss": "squared_error", "batch_size": 16}
    alone = jaxbm.fit(jax.random.fold_in(KEY, 1), MODEL, X, SCORE[:, 0], implementation="cuda", **own)
    for a, b in zip(*map(jax.tree.leaves, (many.member(1).params, alone.params)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_members_of_different_widths_also_where_the_kernel_is_chosen_by_itself(gpu, by_itself):
    models = [jaxbm.MLP((4, width, 5, 1), activation="sigmoid") for width in (3, 6, 5)]
    before = gpu.counts()[1]
    got = members(model=models, implementation=None)
    assert gpu.counts()[1] == before + 1 + 3  # it was tried, and then an epoch is one launch
    agree(got, members(model=models, implementation="xla"))


def test_two_levels_of_members_read_what_they_share_in_place(gpu):
    run = case(hidden=(6,), epochs=1)
    learning_rates = jnp.asarray([1e-3, 1e-2])
    weights = jnp.stack([X, 2 * X, -X])

    def one(way, key, rate, x):
        hyper = run.hyper._replace(optimizer=jaxbm.adam(rate))
        state, data, _, words = arguments(run, key)
        return way(run.task, state, data._replace(x=x), hyper, words)

    def nested(way):
        inner = jax.vmap(functools.partial(one, way), (None, 0, None))
        return jax.jit(jax.vmap(inner, (None, None, 0)))(KEY, learning_rates, weights)

    agree(nested(train._one_pass), nested(loop.pass_over_rows))
    before = gpu.counts()[1]
    keys = jax.random.split(KEY, 6).reshape(2, 3)
    whole = jax.vmap(jax.vmap(lambda key: one(train._one_pass, key, 1e-2, X)))
    whole = jax.block_until_ready(jax.jit(whole)(keys))
    assert gpu.counts()[1] == before + 1  # axes that all go along are one
    alone = one(train._one_pass, keys[1, 2], 1e-2, X)
    agree(jax.tree.map(lambda a: a[1, 2], whole), alone, rtol=0, atol=0)


def test_who_does_not_go_on_keeps_everything():
    run = CASES["momentum"]
    state, *rest = arguments(run)
    params, opt_state, _ = train._one_pass(run.task, state._replace(active=jnp.zeros((), bool)), *rest)
    agree((params, opt_state.trace), (state.params, state.opt_state.trace), rtol=0, atol=0)


def test_derivatives_are_those_of_the_reference():
    run = CASES["plain"]
    state, *rest = arguments(run)

    def loss(way, scale):
        start = state._replace(params=jax.tree.map(lambda a: a * scale, state.params))
        return way(run.task, start, *rest)[2]

    one = jnp.float32(1)
    got, want = (jax.jvp(functools.partial(loss, f), (one,), (one,)) for f in (train._one_pass, loop.pass_over_rows))
    np.testing.assert_allclose(got, want, rtol=1e-5)


def test_a_run_that_goes_non_finite_keeps_the_last_finite_epoch():
    run = case("huber_loss", optimizer=jaxbm.sgd(1e38, momentum=0.9), bootstrap=True)
    got, want = (f(run.task, *arguments(run)) for f in (train.run, loop.run))
    assert not got.finite
    agree(got, want)


# ---- What goes wrong ----


def launched():
    run = CASES["one layer"]
    return jax.block_until_ready(train._one_pass(run.task, *arguments(run)))


@contextmanager
def failing(gpu, function):
    """Nothing is loaded yet, and the driver's `function` fails."""
    gpu.library.jaxbm_cuda_set_driver(str(gpu.folder / "driver.so").encode())
    gpu.driver.fake_failing(function.encode())
    try:
        yield
    finally:
        gpu.driver.fake_failing(b"")


FAILURES = [
    ("architecture", "another architecture"),
    ("cuModuleLoadData", "loading the kernel .* CUDA_ERROR_OUT_OF_MEMORY"),
    ("cuLaunchKernel", "launching the kernel .* CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES .701.: said by"),
]


@pytest.mark.parametrize(("function", "said"), FAILURES)
def test_a_driver_that_fails_is_told(gpu, function, said):
    with failing(gpu, function), pytest.raises(jax.errors.JaxRuntimeError, match=said):
        launched()
    launched()
    assert gpu.counts()[2] == 0  # no context stays pushed


def refusing(plan, architecture):
    raise nvrtc.NotCompiled("NVRTC could not compile the kernel: out of ideas")


@pytest.mark.parametrize("name", ["one layer", "momentum", "Nesterov", "all at once"])
def test_it_is_tried_once_before_it_is_chosen(gpu, by_itself, name):
    before = gpu.counts()[1]
    for _ in range(2):
        assert dispatch.choose(None, CASES[name])[0] == "cuda"
        assert gpu.counts()[1] == before + 1
    assert trial.failure(CASES[name]._replace(data=jax.eval_shape(lambda: CASES[name].data))) is None
    assert gpu.counts()[1] == before + 1


@pytest.mark.parametrize(("function", "said"), [*FAILURES, ("nvrtc", "out of ideas")])
def test_where_it_fails_by_itself_xla_trains_with_one_warning(gpu, by_itself, monkeypatch, function, said):
    if function == "nvrtc":
        monkeypatch.setattr(machine, "machine", lambda: replace(gpu.machine(), architecture="sm_100", build=refusing))
    run = CASES["one layer"]
    with failing(gpu, function):
        with pytest.warns(
            RuntimeWarning, match=f"'cuda' is the fastest at such a run, but fails here: .*{said}"
        ) as told:
            name, why = dispatch.choose(None, run)
        assert (name, len(told)) == ("xla", 1)
        assert dispatch.choose(None, run) == (name, why)  # and no second warning
        assert why == trial.failure(run)
        with pytest.raises(jax.errors.JaxRuntimeError, match=said):
            launched()  # who asks for it by name is told
    assert gpu.counts()[2] == 0


def test_a_fit_that_is_left_to_xla_is_that_of_xla_also_under_transformations(gpu, by_itself):
    options = {"loss": "l2_loss", "optimizer": jaxbm.sgd(0.1), "shuffle": False, "epochs": 2, "batch_size": 16}

    def fit(implementation, rate=0.1, key=KEY):
        own = options | {"optimizer": jaxbm.sgd(rate), "implementation": implementation}
        return jaxbm.fit(key, jaxbm.MLP((4, 3)), X, SCORE, **own)

    rates = jnp.asarray([0.1, 0.2])
    with failing(gpu, "cuLaunchKernel"):
        with pytest.warns(RuntimeWarning, match="fails here") as told:
            got = jax.make_jaxpr(jax.vmap(functools.partial(fit, None)))(rates)
        assert len(told) == 1
        want = jax.make_jaxpr(jax.vmap(functools.partial(fit, "xla")))(rates)
        assert str(got) == str(want)
        agree(fit(None), fit("xla"), rtol=0, atol=0)
        explained = jaxbm.kernels.explain(jaxbm.MLP((4, 3)), X, SCORE, **options)
        assert explained.implementation == "xla"
        assert "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES" in explained.others["cuda"]
    trial.forget()
    traced = str(jax.make_jaxpr(jax.vmap(functools.partial(fit, None)))(rates))
    assert machine.TARGET in traced


def test_a_launch_that_fails_after_its_trial_is_spared_who_did_not_ask_for_it(gpu, by_itself, tmp_path):
    options = {"loss": "l2_loss", "optimizer": jaxbm.sgd(0.1), "shuffle": False, "epochs": 2, "batch_size": 16}
    model = jaxbm.MLP((4, 3))
    calls = {
        "fit": lambda **o: jaxbm.fit(KEY, model, X, SCORE, **options, **o),
        "fit_members": lambda **o: jaxbm.fit_members(KEY, model, X, SCORE, members=2, **options, **o),
        "cross_validate": lambda **o: jaxbm.cross_validate(KEY, model, X, SCORE, folds=2, **options, **o).predictions,
    }
    for call in calls.values():
        trial.forget()
        dispatch._warn_once.cache_clear()
        assert call(implementation="xla") is not None
        assert dispatch.choose(None, CASES["one layer"])[0] == "cuda"
        call()  # its own trial came through
        with failing(gpu, "cuLaunchKernel"):
            for named in ({"implementation": "cuda"}, {"folder": tmp_path / "kept"}):
                if call is calls["fit_members"] or "folder" not in named:
                    with pytest.raises((RuntimeError, ValueError), match="CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"):
                        call(**named)
            with pytest.warns(
                RuntimeWarning, match="but fails here: CUDA: launching the kernel .*; XLA trains"
            ) as told:
                got = call()
            assert len(told) == 1
            agree(got, call(implementation="xla"), rtol=0, atol=0)
            agree(call(), got, rtol=0, atol=0)  # known by now, and told once
        assert gpu.counts()[2] == 0


def test_an_error_that_is_not_a_launch_s_is_the_run_s(gpu, by_itself):
    calls = []

    @spared
    def run(**options):
        calls.append(options)
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes")

    with pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        run(implementation=None)
    assert calls == [{"implementation": None}]
    assert dispatch.choose(None, CASES["one layer"])[0] == "cuda"


def test_a_driver_that_is_missing_or_too_old_is_told(gpu):
    path = str(gpu.folder / "driver.so").encode()
    assert machine.driver_missing(gpu.library) is None
    gpu.driver.fake_failing(b"cuDriverGetVersion")
    try:
        assert machine.driver_missing(gpu.library) == (
            "the CUDA driver is too old: it is for CUDA 11.4, and 12.0 is needed"
        )
        gpu.library.jaxbm_cuda_set_driver(b"/nowhere/libcuda.so.1")
        assert "the CUDA driver was not found" in machine.driver_missing(gpu.library)
        with pytest.raises(jax.errors.JaxRuntimeError, match="the CUDA driver was not found"):
            launched()
    finally:
        gpu.driver.fake_failing(b"")
        gpu.library.jaxbm_cuda_set_driver(path)


def test_a_program_that_is_not_compiled_is_told_and_tried_again(gpu, monkeypatch):
    met = pytest.raises(jax.errors.JaxRuntimeError, match="out of ideas")
    for build, meets in ((refusing, met), (gpu.build, nullcontext())):
        other = machine.Machine("cpu", "sm_100", build)
        monkeypatch.setattr(machine, "machine", lambda other=other: other)
        with meets:
            launched()


def test_without_a_gpu_it_says_so(monkeypatch):
    monkeypatch.undo()
    if jax.default_backend() == "cpu":
        assert "default backend here is cpu" in registry.IMPLEMENTATIONS["cuda"].status()
        with pytest.raises(NotImplementedError, match="implementation='cuda': JAX's default backend here is cpu"):
            members()
