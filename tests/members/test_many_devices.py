"""Members shared out over several devices by `jax.shard_map`, on virtual ones."""

from support.children import python

SCRIPT = """
import jax, numpy as np, jaxbm
from functools import partial
from jax.sharding import PartitionSpec as P
assert jax.device_count() == 2
rng = np.random.default_rng(0)
x = rng.normal(size=(24, 3)).astype(np.float32)
model, keys = jaxbm.MLP((3, 4, 1)), jax.random.split(jax.random.key(0), 4)
options = dict(loss="squared_error", epochs=2, batch_size=8, implementation="xla")
train = partial(jaxbm.fit_members, model=model, y=x[:, 0], **options)
mesh = jax.make_mesh((2,), ("members",), axis_types=(jax.sharding.AxisType.Auto,))
own, same = P("members"), P()
split = jax.shard_map(lambda keys, x: train(keys, x=x), mesh=mesh, in_specs=(own, same), out_specs=own)
ours, theirs = jax.jit(split)(keys, x), train(keys, x=x)
assert len(ours.params[0].weight.sharding.device_set) == 2
agree = partial(jax.tree.map, partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-7))
agree(tuple(ours)[:3], tuple(theirs)[:3])

# On a mesh with explicit axes, where arrays of members' own are parted by their types, each device has all of them.
mesh = jax.make_mesh((2,), ("members",), axis_types=(jax.sharding.AxisType.Explicit,))
put = partial(jax.device_put, device=jax.sharding.NamedSharding(mesh, own))
rates, start = put(np.full(4, 1e-3, np.float32)), put(jax.vmap(model.init)(keys))
ours = train(put(keys), x=x, optimizer=jaxbm.adam(rates), params=start)
theirs = train(keys, x=x, params=jax.device_get(start))
agree(tuple(ours)[:3], tuple(theirs)[:3])

# A native function is the same bits wherever its arrays lie.
if jaxbm.kernels.status()["program"].startswith("on"):
    mesh = jax.make_mesh((2,), ("members",), axis_types=(jax.sharding.AxisType.Auto,))
    split = jax.shard_map(lambda keys, x: train(keys, x=x), mesh=mesh, in_specs=(own, same), out_specs=own)
    loss = lambda outputs, labels: abs(outputs - labels) ** 1.5
    options |= dict(implementation="program", patience=2, loss=loss)
    train = partial(jaxbm.fit_members, model=model, y=x[:, 0], **options)
    theirs, lie = train(keys, x=x), jax.sharding.NamedSharding(mesh, own)
    for ours in (jax.jit(split)(keys, x), train(jax.device_put(keys, lie), x=jax.device_put(x, lie))):
        jax.tree.map(np.testing.assert_array_equal, tuple(ours)[:3], tuple(theirs)[:3])
"""


def test_members_over_two_devices_are_those_of_one_and_may_be_parted_explicitly():
    flags = "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
    python("-c", SCRIPT, XLA_FLAGS=flags, JAX_PLATFORMS="cpu")
