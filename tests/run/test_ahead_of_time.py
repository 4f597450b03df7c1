"""What a GPU's host launches in a run, counted in programs that are compiled for a GPU where there is none."""

import jax
import jax.numpy as jnp
import pytest
from support import ahead

import jaxbm
from jaxbm import shuffle

ROWS, FEATURES, BATCH, EPOCHS = 6_400, 20, 32, 10
MODEL, LOSS = jaxbm.MLP((FEATURES, 64, 32, 1)), "sigmoid_binary_cross_entropy"
STATE_BYTES = 4 * 3 * MODEL.n_params
"""Parameters and Adam's moments of one member."""
ORDER_BYTES = 3 * 4 * ROWS
"""An epoch's order of the rows, and what it is computed from."""
OPTIONS = {"plain": {}, "regularised": {"dropout": 0.1, "clip_norm": 1.0}, "stopping": {"patience": 2}}
#: By members and case: the most kernels of a step, and launches of an epoch beside its steps, most of those for the
#: order of the rows.
BOUNDS = {
    (1, "plain"): (18, 16),
    (64, "plain"): (17, 16),
    (1024, "plain"): (17, 16),
    (264, "regularised"): (25, 19),
    (1, "stopping"): (18, 21),
    (1024, "stopping"): (17, 21),
}

pytestmark = pytest.mark.skipif(ahead.missing() is not None, reason=str(ahead.missing()))


@pytest.fixture(scope="module")
def program():
    """The compiled program of a run, made once for each case."""
    made = {}

    def of(members, case):
        if (members, case) not in made:
            made[members, case] = ahead.compiled_for_a_gpu(_run(members, case), *_shapes(members))
        return made[members, case]

    return of


def _run(members, case):
    def one(key, x, y):
        options = {"loss": LOSS, "epochs": EPOCHS, "batch_size": BATCH, "implementation": "xla", **OPTIONS[case]}
        return jaxbm.fit(key, MODEL, x, y, **options)

    return one if members == 1 else jax.vmap(one, in_axes=(0, None, None))


def _shapes(members):
    lead = () if members == 1 else (members,)
    return (
        jax.ShapeDtypeStruct((*lead, 2), jnp.uint32),
        jax.ShapeDtypeStruct((ROWS, FEATURES), jnp.float32),
        jax.ShapeDtypeStruct((ROWS,), jnp.float32),
    )


def _step_and_epoch(compiled):
    """The thunks of a step, and those of an epoch, in which the branch that trains counts as if it were none."""
    found = [body for body in ahead.bodies(compiled.thunks) if ahead.has_products(body)]
    epoch = [thunk for thunk in found[-2] if thunk.kind != "kConditional"]
    for branch in [part for thunk in found[-2] if thunk.kind == "kConditional" for part in thunk.inside]:
        epoch += branch.inside if ahead.has_products(branch.inside) else []
    return found[-1], epoch


@pytest.mark.parametrize(("members", "case"), BOUNDS)
def test_a_step_is_few_kernels_in_one_graph_that_never_changes(program, members, case):
    step, _ = _step_and_epoch(program(members, case))
    assert len(ahead.leaves(step)) <= BOUNDS[members, case][0], [thunk.name for thunk in ahead.leaves(step)]
    assert [thunk.kind for thunk in step] == ["kCommandBuffer"]  # all of it in one launch
    # An address that depends on the step's number would be patched into the graph at every step.
    assert not {"kDynamicSliceFusion", "kConditional", "kWhile"} & {thunk.kind for thunk in ahead.every(step)}


@pytest.mark.parametrize(("members", "case"), BOUNDS)
def test_an_epoch_is_few_launches_beside_its_steps(program, members, case):
    _, epoch = _step_and_epoch(program(members, case))
    loops = [thunk for thunk in epoch if thunk.kind == "kWhile" and not ahead.has_products([thunk])]
    turns = shuffle.ROUNDS // shuffle.LAUNCHED_ROUNDS
    launches = sum(thunk.kind != "kWhile" for thunk in epoch)
    launches += sum(turns * sum(len(part.inside) for part in loop.inside) for loop in loops)
    assert len(loops) == 1
    assert launches <= BOUNDS[members, case][1], [thunk.name or thunk.kind for thunk in epoch]


@pytest.mark.parametrize(("members", "case"), BOUNDS)
def test_the_host_waits_in_an_epoch_only_where_members_may_stop(program, members, case):
    kinds = [thunk.kind for thunk in ahead.every(program(members, case).thunks)]
    assert kinds.count("kConditional") == (case == "stopping")


@pytest.mark.parametrize(("members", "case"), BOUNDS)
def test_temporaries_are_the_members_own_and_hold_no_table_of_theirs(program, members, case):
    activations = 4 * BATCH * 4 * sum(MODEL.sizes)
    bound = members * (ORDER_BYTES + 3 * STATE_BYTES + activations) + (1 << 20)
    assert program(members, case).temporaries < bound
    assert bound < members * ROWS * FEATURES * 4 or members == 1  # a copy of the table for each would show
