"""Formulas of work against what XLA counts; workloads; peers that need nothing installed."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxbm
from jaxbm.benchmarks import cases, contests, work
from jaxbm.benchmarks.contests import contestants
from jaxbm.benchmarks.ensembles import Groups, Sweep
from jaxbm.benchmarks.operations import metrics
from jaxbm.benchmarks.peers import groups, sweep
from jaxbm.benchmarks.workloads import WORKLOADS, Workload

NETWORKS = [((20, 64, 32, 1), 32), ((784, 128, 10), 64), ((30, 256, 256, 2), 256), ((8, 16, 1), 16)]


def cost(function, *arguments):
    return jax.jit(function).lower(*arguments).compile().cost_analysis()


@pytest.mark.parametrize(("sizes", "batch"), NETWORKS)
def test_flops_of_a_pass_are_those_of_xla_less_the_elementwise_ones(sizes, batch):
    model = jaxbm.MLP(sizes)
    params, x = model.init(jax.random.key(0)), jnp.ones((batch, sizes[0]))
    y = jnp.ones((batch, sizes[-1]))

    def objective(params, x):
        return optax.l2_loss(model.apply(params, x), y).mean()

    counted = cost(model.apply, params, x)["flops"]
    units = batch * sum(sizes[1:])
    # XLA adds a bias and a maximum for each unit.
    assert 0 <= counted - work.forward_flops(sizes, batch) <= 2 * units
    counted = cost(jax.value_and_grad(objective), params, x)["flops"]
    # And backwards a mask, a sum over the batch for each bias, and the loss; reductions are rounded up to tiles.
    assert 0 <= counted - work.step_flops(sizes, batch) <= 10 * units + 2 * work.n_params(sizes)


def test_bytes_of_adam_are_those_of_xla_less_what_it_reads_twice():
    n, optimizer = 4_096, optax.adam(1e-3)
    params = jnp.ones(n)

    def step(params, state, grads):
        updates, state = optimizer.update(grads, state, params)
        return optax.apply_updates(params, updates), state

    counted = cost(step, params, optimizer.init(params), params)
    # Unfused, XLA reads the gradient again for the second moment, and both moments again for the parameters.
    assert 1 <= counted["bytes accessed"] / work.adam(n).bytes <= 1.01 * 10 / 7
    assert work.adam(n).flops == pytest.approx(counted["flops"], rel=0.2)


def test_bytes_of_a_forward_pass_are_at_most_those_of_xla():
    sizes, rows = (20, 64, 32, 1), 512
    model = jaxbm.MLP(sizes)
    counted = cost(model.apply, model.init(jax.random.key(0)), jnp.ones((rows, 20)))["bytes accessed"]
    assert work.forward(sizes, rows).bytes < counted


def test_parameters_are_counted_as_the_model_counts_them():
    for sizes, _ in NETWORKS:
        assert work.n_params(sizes) == jaxbm.MLP(sizes).n_params


def test_a_table_is_read_once_if_the_cache_holds_it():
    # 64 rows of 5 numbers are 1280 bytes; 9 parameters' state goes in and out for each member.
    small = work.train((4, 1, 2), 16, 4, 3, 2, cache=2_000.0)
    assert small.bytes == 1_280 + 2 * 6 * 4 * 9
    assert work.train((4, 1, 2), 16, 4, 3, 2, cache=100.0).bytes == 3 * 1_280 + 2 * 6 * 4 * 9
    assert small.flops == 2 * 3 * 4 * (3 * 2 * 16 * 6 - 2 * 16 * 4)


def test_workloads_are_random_learnable_and_the_same_each_time():
    for name in ("tiny", "small", "square", "small-validated"):
        rows = WORKLOADS[name].data()
        again = WORKLOADS[name].data()
        np.testing.assert_array_equal(rows.x, again.x)
        assert abs(rows.x.mean()) < 0.01
        assert abs(rows.x.std() - 1) < 0.01
        assert 0.3 < (rows.y > 0).mean() < 0.95
    assert WORKLOADS["small-validated"].data().x_val.shape == (4_000, 20)
    with pytest.raises(ValueError, match="batch_size: expected a divisor of 100 rows, got 32"):
        Workload("odd", (2, 1), rows=100, batch_size=32)


@pytest.mark.parametrize("members", [1, 3])
def test_plain_jax_and_scikit_learn_learn_what_we_learn(members):
    workload = Workload("t", (6, 16, 1), rows=512, batch_size=16, epochs=3, members=members)
    if members == 1:
        workload = Workload("t", (6, 16, 1), rows=512, batch_size=16, epochs=3, validation_rows=256)
    names = ["JAX scan", "scikit-learn"] + (["JAX and Optax, step by step"] if members == 1 else [])
    curves = {}
    ours = [contestants.OURS_TWICE[0], contestants.VARIANTS["jaxbm (XLA)"]]
    for contestant in [*ours, *(contestants.PEERS[n] for n in names)]:
        job = contestant.job(workload)
        rounds = [job.curves(job.run(job.setup(seed))) for seed in range(3)]
        curves[contestant.name] = {k: np.mean([r[k] for r in rounds], axis=0) for k in rounds[0]}
    expected = curves.pop("jaxbm")
    assert set(expected) == ({"loss", "val_loss"} if members == 1 else {"loss"})
    for found in curves.values():
        for name, curve in expected.items():
            np.testing.assert_allclose(found[name], curve, atol=0.15 * curve.max())


def test_shared_batches_are_shared():
    workload = Workload("t", (6, 16, 1), rows=512, batch_size=16, epochs=1, members=2, shared=True)
    for name in ("jaxbm", "JAX vmap of scan"):
        contestant = {c.name: c for c in (*contestants.OURS_TWICE, *contestants.PEERS.values())}[name]
        job = contestant.job(workload)
        assert 0.2 < float(job.curves(job.run(job.setup(0)))["loss"][0]) < 1.5


def test_every_contest_can_be_found_described_and_counted():
    everything = contests.contests()
    assert contests.select(["full", "edges", "libraries", "generated", "own"]) == list(everything.values())
    assert 5 < len(contests.select(["targets"])) < len(everything)
    for name, contest in everything.items():
        assert contests.find(name) is contest
        names = [c.name for c in contest.contestants]
        assert len(set(names)) == len(names)
        assert names[0] == "jaxbm"
        assert contest.case.units >= 1
        contest.case.describe()
        for target in contest.targets:
            assert {target.of, target.against} <= {*names, ""}
    with pytest.raises(ValueError, match="did you mean 'small'"):
        contests.select(["smal"])


def test_work_of_operations():
    assert cases.Operation("adam", (1_000,)).work(0).bytes == 28_000
    assert cases.Operation("roc_auc", (1_000,)).work(0) == (0, 8_000)
    assert cases.Operation("permutation", (1_000,)).work(0) == (0, 4_000)
    # 10 logits in, 10 gradients out and a label in for each row.
    assert cases.Operation("softmax_cross_entropy_with_integer_labels", (100, 10)).work(0).bytes == 8_400
    for name, contest in contests.contests().items():
        work = contest.case.work(1e6)
        unknown = ("demo", "import", "estimator", "own", "program", "library")  # whose operations nobody counted
        assert (work is None) == (name.startswith(unknown) and name != "own-groups"), name
        assert work is None or min(work.bytes, contest.case.units) > 0


@pytest.mark.parametrize("name", cases.FLOPS_OF_LOSS)
def test_work_of_a_loss_is_at_most_what_xla_counts(name):
    shape = (512, 10) if name.endswith("integer_labels") else (4_096,)
    found = cases.Operation(name, shape).work(0)
    logits = jnp.linspace(-3.0, 3.0, int(np.prod(shape))).reshape(shape)
    labels = jnp.zeros(512, int) if len(shape) == 2 else jnp.ones(shape)
    function = getattr(optax, name)
    counted = cost(jax.value_and_grad(lambda a: function(a, labels).mean()), logits)
    assert 0 < found.flops <= counted["flops"] + counted.get("transcendentals", 0)
    # Labels are a constant in there, and may not be counted.
    assert found.bytes - 4 * labels.size <= counted["bytes accessed"]


@pytest.mark.parametrize("name", metrics.PEERS)
def test_metrics_and_their_peers_find_the_same(name):
    case = cases.Operation(name, (2_000,))
    ours, theirs = (float(job.run(0)) for job in (metrics.ours(case), metrics.sklearn(case)))
    assert ours == pytest.approx(theirs, rel=1e-5)
    assert 0 < abs(ours) < 1
    assert cases.Operation("forward", (32,), (20, 64, 32, 1)).work(0).flops == 215_040


def test_groups_of_any_number_have_the_same_mean_size():
    for members in (10, 1_000):
        case = Groups(members)
        rows = case.data()
        np.testing.assert_array_equal(np.bincount(rows.groups), case.counts())
        assert (case.counts().min(), case.counts().max(), round(case.counts().mean())) == (20, 200, 110)
    # One group of 20 rows and one of 200, ten epochs: 6 * 144 weights a row, less the input gradient of 8 * 16.
    assert Groups(2).work(0).flops == 2_200 * (6 * (8 * 16 + 16) - 2 * 8 * 16)


def test_groups_and_their_peer_learn_the_same():
    case = Groups(12)
    ours, theirs = (
        job.curves(job.run(job.setup(0)))["loss"] for job in (groups.ours(case), groups.sklearn_loop(case))
    )
    np.testing.assert_allclose(ours, theirs, atol=0.1)
    assert ours[-1] < ours[0]


def test_a_sweep_and_its_peer_find_the_same():
    case = Sweep(4, epochs=2, folds=2)
    jobs = (sweep.ours(case), sweep.grid_search(case))
    ours, theirs = (job.curves(job.run(job.setup(0)))["final validation loss"] for job in jobs)
    assert theirs == pytest.approx(ours, rel=0.25)
    assert case.work(0).flops == sum(work.step_flops((64, width, 10), 2 * 1_797) for width in case.widths)
