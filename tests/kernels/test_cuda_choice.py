"""Which runs the CUDA kernel takes, and by default; how they are laid out and compiled: all without a GPU."""

import dataclasses
import os
import pathlib

import jax
import jax.numpy as jnp
import optax
import pytest

import jaxbm
from jaxbm.benchmarks import record
from jaxbm.kernels import dispatch, registry
from jaxbm.kernels.cuda import machine, measured, nvrtc, programs, train, trial
from jaxbm.kernels.cuda.plan import Plan, Shape, plan
from jaxbm.kernels.cuda.vocabulary import sources
from jaxbm.run import contract
from jaxbm.run.training import Training

RESULTS = pathlib.Path(__file__).parents[2] / "benchmarks/results/gpu/h200.jsonl"


@pytest.fixture(autouse=True)
def card(monkeypatch):
    """JAX finds a GPU of the H100's architecture."""
    monkeypatch.setattr(machine, "machine", lambda: machine.Machine("cpu", "sm_90"))


def run_of(sizes=(4, 6, 3), n=41, *, activation="relu", dtype=None, **options):
    model = jaxbm.MLP(sizes, activation=activation, dtype=dtype)
    rows, labels = jax.ShapeDtypeStruct((n, sizes[0]), jnp.float32), jax.ShapeDtypeStruct((n,), jnp.int32)
    options = {"loss": "softmax_cross_entropy_with_integer_labels", "optimizer": jaxbm.adam(1e-2)} | options
    return Training(**options).build(model, contract.Data(rows, labels))


def test_it_is_the_default_only_where_measurements_speak_for_it(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    most, wide = measured.CLASSES["sm_90"]
    (run,) = (records := record.load(RESULTS)).runs
    assert run.machine["device"] == most.card == wide.card
    contests = [records.contest(name) for name in records.contests()]
    trained = [found for found in contests if "jaxbm cuda" in found and found["jaxbm cuda"].samples]
    for found in trained:
        xla = [min(found[name].per_unit) for name in ("jaxbm", "jaxbm float32") if name in found]
        assert max(found["jaxbm cuda"].per_unit) < min(xla)
        assert all(max(found[name].per_unit) < min(xla) for name in found if name.startswith("jaxbm cuda "))
    cases = [found["jaxbm cuda"].case for found in trained]
    assert {case["members"] for case in cases} >= {1, 264, 8192}
    assert max(jaxbm.MLP(tuple(case["sizes"])).n_params for case in cases) == wide.params
    sizes = [case["batch_size"] for case in cases if jaxbm.MLP(tuple(case["sizes"])).n_params <= most.params]
    assert most.batch == (min(sizes), max(sizes))
    numbers = [records.contest(name) for name in records.contests() if name.startswith("numbers of ")]
    judged = [found[name] for found in numbers for name in found if name.startswith("jaxbm cuda")]
    assert len(judged) >= 10
    assert {result.status for result in judged if result.curves} == {"ok"}
    for options, said in (
        (
            {"epochs": 20_000},
            "3,457 parameters in batches of 8 to 128 and 15,751 parameters in batches of 32 rows only",
        ),
        ({"epochs": 10, "batch_size": 8}, "60 steps may be through"),
    ):
        assert said in train.slower(run_of(**{"batch_size": 4} | options))
    for sizes, batch in (((4, 128, 128, 3), 32), ((54, 128, 64, 7), 64)):
        assert "only" in measured.slower(run_of(sizes=sizes, epochs=20_000, n=128, batch_size=batch), "sm_90")
    assert measured.slower(run_of(sizes=(54, 128, 64, 7), epochs=100_000, batch_size=32), "sm_90") is None
    run = run_of(epochs=20_000, batch_size=8)
    assert train.slower(run) is None
    untried = dataclasses.replace(registry.IMPLEMENTATIONS["cuda"], failure=None)  # `test_cuda.py` launches it
    monkeypatch.setitem(registry.IMPLEMENTATIONS, "cuda", untried)
    assert dispatch.choose(None, run)[0] == "cuda"
    monkeypatch.setattr(machine, "machine", lambda: machine.Machine("cpu", "sm_120"))
    assert "sm_120 was not measured" in train.slower(run)


def test_where_it_would_be_the_fastest_but_is_off_one_warning_says_so(monkeypatch):
    entry = registry.IMPLEMENTATIONS["cuda"]
    other = dataclasses.replace(entry, off=lambda: "no driver", slower=lambda run: None)
    monkeypatch.setitem(registry.IMPLEMENTATIONS, "cuda", other)
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    dispatch._warn_once.cache_clear()
    with pytest.warns(RuntimeWarning, match="'cuda' is the fastest at such a run, but is off: no driver"):
        name, _ = dispatch.choose(None, run_of())
    assert name == "xla"
    dispatch.choose(None, run_of())  # and no second one


@pytest.mark.parametrize("setting", [None, "highest"])
def test_what_is_tried_is_the_program_of_the_run(monkeypatch, setting):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    tried = []

    def launch(task, machine, state, data, hyper, words):
        tried.append(train.shape_of(contract.Run(task, data, hyper)))
        assert state.active.shape == ()
        return state.params, state.opt_state, jnp.zeros(())

    monkeypatch.setattr(train, "launch", launch)
    trial.forget()
    schedule = optax.linear_schedule(1e-2, 1e-3, 9)
    with jax.default_matmul_precision(setting):
        for run in (
            run_of(sizes=(20, 64, 3), n=500, optimizer=jaxbm.adam(schedule), dropout=0.1),
            run_of(sizes=(20, 64, 3), n=500, precision="tf32", batch_size=64, epochs=10**8),
        ):
            assert trial.failure(run) is trial.failure(run) is None
            assert tried.pop() == train.shape_of(run)
    assert not tried
    trial.forget()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sizes": (784, 128, 3)}, "KiB of a block's shared memory, of which sm_90 has 227"),
        ({"sizes": (100, 100, 100, 3)}, "the optimizer's state does not fit into the registers"),
        ({"batch_size": 4096}, "batches of at most 512 rows"),
        ({"sizes": (4, *(2,) * 16, 3)}, "at most 16 layers"),
        ({"activation": "mish"}, "activation 'mish'"),
        ({"dtype": "bfloat16"}, "float32"),
        ({"optimizer": optax.lion(0.1)}, "jaxbm's own sgd, adam and adamw"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(options, said):
    assert said in train.unsupported(run_of(n=8192, **options))


def benchmark_shape(sizes, loss="kSigmoidCrossEntropy", batch=32, precision="float32"):
    activations = ("kRelu",) * (len(sizes) - 2) + ("kIdentity",)
    return Shape(sizes, activations, loss, "kAdam", batch, frozenset({"BIAS", "SHUFFLE"}), precision)


BENCHMARKS = {
    "20-64-32-1": benchmark_shape((20, 64, 32, 1)),
    "8-16-3": benchmark_shape((8, 16, 3), "kSoftmaxIntegerLabels"),
    "30-100-1": benchmark_shape((30, 100, 1), "kSquaredError"),
}


@pytest.mark.parametrize(
    ("allowed", "batch", "told"),
    [
        (("highest", "highest"), 128, "float32"),
        ((None, "highest"), 128, "float32"),
        ((None, None), 128, "tf32_3x"),
        ((None, "F32_F32_F32"), 128, "float32"),
        ((None, None), 32, "float32"),
        (("tf32", None), 32, "tf32"),
        (("tf32", None), 8, "float32"),
        (("bfloat16", None), 128, "tf32"),
    ],
)
def test_tensor_cores_are_used_where_precision_allows_and_they_are_faster(allowed, batch, told, monkeypatch):
    precision, setting = allowed
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    with jax.default_matmul_precision(setting):
        run = run_of((20, 64, 32, 3), 1024, batch_size=batch, precision=precision)
        assert train.precision(run) == dispatch.precision_of("cuda", run) == told


def test_plans_fit_their_cards():
    for shape in BENCHMARKS.values():
        for architecture in ("sm_80", "sm_86", "sm_90", "sm_100", "sm_120"):
            found = plan(shape, architecture)
            assert isinstance(found, Plan)
            assert found.shared_bytes * found.blocks <= 228 * 1024
            assert found.threads * found.blocks <= 2048
    assert plan(BENCHMARKS["20-64-32-1"], "sm_90").blocks == 3
    assert plan(BENCHMARKS["8-16-3"], "sm_90").threads < 128  # a small network needs few threads


def test_programs_have_numbers_of_their_own_and_are_kept(tmp_path, monkeypatch):
    first, second = (plan(BENCHMARKS[name], "sm_90") for name in ("20-64-32-1", "8-16-3"))
    numbers = {programs.number(one, sm) for one in (first, second) for sm in ("sm_90", "sm_100")}
    assert len(numbers) == 4
    made = []
    monkeypatch.setenv(programs.FOLDER, str(tmp_path / "kept"))
    monkeypatch.setattr(nvrtc, "version", lambda: (13, 0))
    monkeypatch.setattr(nvrtc, "compiled", lambda *given: made.append(given) or nvrtc.Compiled(b"cubin", 1, 0))
    assert [programs.build(one, "sm_90") for one in (first, first, second)] == [b"cubin"] * 3
    assert len(made) == 2
    monkeypatch.setenv(programs.FOLDER, "/proc/nowhere")
    assert programs.build(first, "sm_90") == b"cubin"  # a cache that can't be written is none


def test_loops_are_written_out_as_far_as_nothing_is_spilled(tmp_path, monkeypatch):
    monkeypatch.setenv(programs.FOLDER, str(tmp_path))
    monkeypatch.setattr(nvrtc, "version", lambda: (13, 0))
    one = plan(benchmark_shape((20, 64, 32, 1), batch=128, precision="tf32"), "sm_90")
    for number, (spilled, kept, tries) in enumerate((((0,), 0, 1), ((9, 0), 1, 2), ((9, 3, 5, 7), 1, 4))):
        asked = []

        def compiled(main, files, options, spilled=spilled, asked=asked):
            asked.append(options[-1])
            return nvrtc.Compiled(str(len(asked) - 1).encode(), 1, spilled[len(asked) - 1])

        monkeypatch.setattr(nvrtc, "compiled", compiled)
        assert programs.build(one, f"sm_9{number}") == str(kept).encode()
        assert asked == ["-DUNROLL_K=16", "-DUNROLL_K=8", "-DUNROLL_K=4", "-DUNROLL_K=2"][:tries]


def has_nvrtc():
    try:
        nvrtc.library()
    except nvrtc.NotCompiled:
        return False
    return True


ALWAYS = ("8-16-3", "20-64-32-1", "20-64-32-1, 64 rows, tf32_3x")
#: The benchmarks' shapes; `nox -s ahead` compiles all of them, which takes minutes.
COMPILED = [
    ("8-16-3", BENCHMARKS["8-16-3"]),
    ("20-64-32-1", BENCHMARKS["20-64-32-1"]),
    ("20-64-32-1, 8 rows", benchmark_shape((20, 64, 32, 1), batch=8)),
    ("20-64-32-1, 64 rows", benchmark_shape((20, 64, 32, 1), batch=64)),
    ("20-64-32-1, 128 rows", benchmark_shape((20, 64, 32, 1), batch=128)),
    ("30-100-1", BENCHMARKS["30-100-1"]),
    ("54-128-64-7", benchmark_shape((54, 128, 64, 7), "kSoftmaxIntegerLabels")),
    ("30-100-1, TF32", benchmark_shape((30, 100, 1), precision="tf32")),
    *(
        (f"20-64-32-1, {batch} rows, {precision}", benchmark_shape((20, 64, 32, 1), batch=batch, precision=precision))
        for batch in (32, 64, 128)
        for precision in ("tf32", "tf32_3x")
        if batch > 32 or precision == "tf32"
    ),
]


@pytest.mark.skipif(not has_nvrtc(), reason="no NVRTC: pip install nvidia-cuda-nvrtc")
@pytest.mark.parametrize("architecture", ["sm_80", "sm_90", "sm_100", "sm_120"])
@pytest.mark.parametrize(("name", "shape"), COMPILED, ids=[name for name, _ in COMPILED])
def test_the_compiler_needs_no_more_registers_than_planned_and_spills_none(name, shape, architecture):
    if name not in ALWAYS and "JAXBM_AHEAD" not in os.environ:
        pytest.skip("`nox -s ahead` compiles it")
    found = plan(shape, architecture)
    if isinstance(found, str):
        assert "of a block's shared memory, of which sm_120 has 99" in found
        return
    made = programs.compiled(found, architecture)
    assert made.image[:4] == b"\x7fELF"
    assert 0 < made.registers * found.threads * found.blocks <= 65536
    assert made.spilled == 0


@pytest.mark.skipif(not has_nvrtc(), reason="no NVRTC: pip install nvidia-cuda-nvrtc")
def test_the_compiler_says_what_is_wrong():
    found = plan(BENCHMARKS["8-16-3"], "sm_90")
    with pytest.raises(nvrtc.NotCompiled, match=r"could not compile the kernel: .*error"):
        nvrtc.compiled("train.cu", {"train.cu": "int x = ;"}, programs.options(found, "sm_90"))
    with pytest.raises(nvrtc.NotCompiled, match="could not compile"):
        nvrtc.compiled("train.cu", sources(), ("--gpu-architecture=sm_1",))
