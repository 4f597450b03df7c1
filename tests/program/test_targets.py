"""Programs for processors other than this one at least compile, from the same text but for the vectors' width."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

import jaxbm.kernels.program.nodes  # noqa: F401
from jaxbm.kernels.program import compile, handler, machine
from jaxbm.kernels.program.emit import emit
from jaxbm.kernels.program.traced import trace_jaxpr

TARGETS = {
    "aarch64": ("aarch64-unknown-linux-gnu", "generic", 16, 16),
    "no AVX": ("x86_64-unknown-linux-gnu", "x86-64", 16, 16),
    "AVX-512": ("x86_64-unknown-linux-gnu", "skylake-avx512", 32, 64),
}


def training(w, x, key):
    """Of everything a little: a loop, products, elementary functions, random bits, a gather, half types, a sort."""

    def loss(w, rows):
        return jnp.square(jnp.tanh(x[rows] @ w).sum(1) - 0.3).mean()

    def step(w, key):
        rows = jax.random.permutation(key, x.shape[0])[:8]
        g = jax.grad(loss)(w, rows)
        return w - 0.1 * g.astype(jnp.bfloat16).astype(w.dtype), jnp.exp(-loss(w, rows))

    w, losses = lax.scan(step, w, jax.random.split(key, 3))
    return jnp.linalg.cholesky(w.T @ w + jnp.eye(w.shape[1])), jnp.sort(losses)


ONE = compile.Options(1, (("speed_level", 1), ("loop_vectorization", False)))


@pytest.fixture(scope="module")
def block():
    arguments = jnp.ones((5, 17)), jnp.ones((20, 5)), jnp.zeros(2, jnp.uint32)
    return trace_jaxpr(jax.make_jaxpr(training)(*arguments)).block


@pytest.mark.parametrize("name", TARGETS)
def test_code_for(name, block):
    triple, cpu, vector_bytes, wide_bytes = TARGETS[name]
    b = machine.llvm()
    b.initialize_all_targets()
    b.initialize_all_asmprinters()
    target = b.Target.from_triple(triple).create_target_machine(cpu=cpu, opt=1, reloc="pic", codemodel="small")
    written = emit(block, vector_bytes=vector_bytes, wide_bytes=wide_bytes, scales=wide_bytes == 64)
    for text in (written.text, written.products, handler.module(0, 1)):
        module = b.parse_assembly(text)
        module.triple = triple
        compile.optimise(module, target, ONE)
        assert len(target.emit_object(module)) > 1000
