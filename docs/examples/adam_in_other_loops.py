"""jaxbm's Adam inside a loop of Flax and of Equinox: it is an Optax optimizer, whose hyper-parameters are data."""

import importlib.util

import jax
import jax.numpy as jnp
import optax

import jaxbm

x = jax.random.normal(jax.random.key(0), (512, 8))
y = (x[:, 0] * x[:, 1]).astype(jnp.float32)
optimizer = optax.chain(optax.clip_by_global_norm(1.0), jaxbm.adam(1e-2))

if importlib.util.find_spec("equinox"):
    import equinox as eqx

    network = eqx.nn.MLP(8, "scalar", 32, 2, key=jax.random.key(1))
    state = optimizer.init(eqx.filter(network, eqx.is_array))

    @eqx.filter_jit
    def step(network, state):
        loss, grads = eqx.filter_value_and_grad(lambda n: jnp.mean((jax.vmap(n)(x) - y) ** 2))(network)
        updates, state = optimizer.update(grads, state, eqx.filter(network, eqx.is_array))
        return eqx.apply_updates(network, updates), state, loss

    for _ in range(100):
        network, state, loss = step(network, state)
    print(f"Equinox: loss {loss:.4f}")

if importlib.util.find_spec("flax"):
    from flax import nnx

    net = nnx.Sequential(nnx.Linear(8, 32, rngs=nnx.Rngs(0)), nnx.relu, nnx.Linear(32, 1, rngs=nnx.Rngs(1)))
    held = nnx.Optimizer(net, optimizer, wrt=nnx.Param)

    @nnx.jit
    def update(net, held):
        loss, grads = nnx.value_and_grad(lambda n: jnp.mean((n(x)[:, 0] - y) ** 2))(net)
        held.update(net, grads)
        return loss

    for _ in range(100):
        loss = update(net, held)
    print(f"Flax NNX: loss {loss:.4f}")
