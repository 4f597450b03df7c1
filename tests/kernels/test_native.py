"""The border between Python and the compiled kernels: wrong calls, and libraries that can't be used."""

import shutil
import subprocess
import textwrap
from pathlib import Path

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
import pytest
from jax.errors import JaxRuntimeError
from support.children import python

import jaxbm
from jaxbm.kernels import native
from jaxbm.kernels.calls import kernel_call

needs_native = pytest.mark.skipif(native.native().reason is not None, reason="the kernels are not compiled here")
# XLA's INVALID_ARGUMENT: the one where a call runs at once, the other where it is waited for.
WRONG_CALL = (JaxRuntimeError, ValueError)
COMPILER = shutil.which("c++")

# ---- wrong calls ----


def apply_attributes(**changed):
    values = {"sizes": (3, 4, 2), "activations": (1,), "bias": 1, "indexed": 1, "threads": 1, **changed}
    return tuple(values.items())


def apply_arguments(**changed):
    shapes = {"x": (5, 3), "w0": (3, 4), "b0": (4,), "w1": (4, 2), "b1": (2,)}
    arrays = {"limits": np.int32([0, 6]), **{k: np.ones(s, np.float32) for k, s in shapes.items()}}
    return list({**arrays, "rows": np.int32([0, 4, 1, 1, 2, 3]), **changed}.values())


def apply(attributes, arguments, results=(((6, 2), np.float32),)):
    return np.asarray(kernel_call("jaxbm_apply", attributes, (), results)(*map(jnp.asarray, arguments))[0])


@needs_native
def test_a_right_call():
    # relu(3 * 1 + 1) = 4 in each of 4 units; 4 * 4 + 1 = 17
    np.testing.assert_array_equal(apply(apply_attributes(), apply_arguments()), np.full((6, 2), 17, np.float32))


@needs_native
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"x": np.ones((5, 3), np.int32)}, "x: expected dtype F32, got S32"),
        ({"x": np.ones((5, 4), np.float32)}, r"x: expected shape \[-1, 3\] .* got \[5, 4\]"),
        ({"x": np.ones((1, 5, 3), np.float32)}, r"x: expected shape .* got \[1, 5, 3\]"),
        ({"b1": np.ones((3,), np.float32)}, r"bias: expected shape \[2\] .* got \[3\]"),
        ({"rows": np.uint32([0, 4, 1, 1, 2, 3])}, "rows: expected dtype S32, got U32"),
        ({"limits": np.int32([1, 6])}, "rows: rows 1 to 7 do not lie within 6"),
        ({"limits": np.int32([0, -1])}, "rows: rows 0 to -1 do not lie within 6"),
    ],
)
def test_wrong_arguments_are_errors(changed, message):
    with pytest.raises(WRONG_CALL, match=message):
        apply(apply_attributes(), apply_arguments(**changed))


@needs_native
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sizes": (3, 0, 2)}, "size: expected 1 to 16777216, got 0"),
        ({"sizes": (3,), "activations": ()}, "number of layers: expected 1 to 32, got 0"),
        ({"activations": (99,)}, "activation: expected the place of one of: identity relu .* softplus , got 99"),
        ({"activations": (1, 1)}, "number of activations: expected 1, got 2"),
        ({"bias": 0}, "weight: expected shape"),
    ],
)
def test_wrong_attributes_are_errors(changed, message):
    with pytest.raises(WRONG_CALL, match=message):
        apply(apply_attributes(**changed), apply_arguments())


@needs_native
def test_wrong_numbers_of_arguments_and_results_are_errors():
    with pytest.raises(WRONG_CALL, match="rows: the call has too few arguments"):
        apply(apply_attributes(), apply_arguments()[:-1])
    with pytest.raises(WRONG_CALL, match="expected 7 arguments and 1 results, got 8 and 1"):
        apply(apply_attributes(), [*apply_arguments(), np.ones(3, np.float32)])
    with pytest.raises(WRONG_CALL, match="expected 7 arguments and 1 results, got 7 and 2"):
        apply(apply_attributes(), apply_arguments(), 2 * (((6, 2), np.float32),))


@needs_native
@pytest.mark.parametrize("row", [-1, 5, 2**31 - 1, -(2**31)])
def test_a_row_that_the_table_lacks_makes_logits_of_nan(row):
    assert np.isnan(apply(apply_attributes(), apply_arguments(rows=np.int32([0, 4, 1, row, 2, 3])))).all()


@needs_native
@pytest.mark.parametrize("label", [-1, 3, 2**31 - 1])
@pytest.mark.parametrize("part", ["training", "validation"])
def test_a_label_beyond_the_classes_makes_a_loss_of_nan(label, part):
    x = np.zeros((20, 2), np.float32)
    y = np.zeros(20, np.int32)
    y[7] = label
    options = {"loss": "softmax_cross_entropy_with_integer_labels", "epochs": 2, "implementation": "cpu"}

    def train(y):
        rows = (x, y) if part == "training" else (x, 0 * y)
        held_out = (x, y) if part == "validation" else None
        return jaxbm.fit(jax.random.key(0), jaxbm.MLP((2, 3, 3)), *rows, validation_data=held_out, **options)

    result = jax.jit(train)(y)
    if part == "training":
        assert not bool(result.finite)
        assert int(result.epochs_run) == 1
        assert np.isnan(result.history["loss"]).all()
    else:
        assert bool(result.finite)
        assert np.isnan(result.history["val_loss"]).all()
        assert np.isfinite(result.history["loss"]).all()


@needs_native
def test_a_row_that_the_table_lacks_makes_only_its_member_non_finite():
    x, y = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32), np.zeros(20, np.float32)
    model, options = jaxbm.MLP((2, 3, 1)), {"loss": "squared_error", "epochs": 2, "implementation": "cpu"}

    def train(key, rows):
        return jaxbm.fit(key, model, x, y, rows=rows, **options)

    rows = np.stack([np.arange(10), np.arange(10) + 10, np.arange(10) + 11]).astype(np.int32)
    keys = jax.random.split(jax.random.key(0), 3)
    result = jax.jit(jax.vmap(train))(keys, rows)
    assert result.finite.tolist() == [True, True, False]
    for got, start in zip(jax.tree.leaves(result.params), jax.tree.leaves(jax.vmap(model.init)(keys)), strict=True):
        np.testing.assert_array_equal(got[2], start[2])
        assert np.isfinite(got).all()
    alone = train(keys[1], rows[1])
    np.testing.assert_array_equal(result.params[0].weight[1], alone.params[0].weight)
    binary = options | {"loss": "sigmoid_binary_cross_entropy", "class_weight": np.float32([1.0, 2.0])}
    weighted = jax.jit(jax.vmap(lambda k, r: jaxbm.fit(k, model, x, y, rows=r, **binary)))(keys, rows)
    assert weighted.finite.tolist() == [True, True, False]
    held_out = jax.jit(jax.vmap(lambda k, r: jaxbm.fit(k, model, x, y, validation_rows=r, **options)))(keys, rows)
    assert np.isnan(held_out.history["val_loss"]).any(axis=1).tolist() == [False, False, True]
    assert held_out.finite.all()


@needs_native
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"loss": 99}, "loss: expected the place of one of: .*squared_error.*, got 99"),
        ({"optimizer": -1}, "optimizer: expected the place of one of: .*adam.*, got -1"),
        ({"batch_size": 0}, "batch_size: expected 1 to 1073741824, got 0"),
        ({"options": -1}, "options: expected 0 to 262143, got -1"),
        ({"sizes": (3, 4, 2)}, "labels' axes: expected 2 for several outputs and for soft classes, got 1"),
        ({"options": 256 + 32768}, "labels' axes: expected 1 for integers and for weights of classes, got 2"),
    ],
)
def test_what_a_call_to_train_expected(changed, message):
    right = {"sizes": (3, 4, 1), "activations": (1,), "loss": 0, "optimizer": 0, "options": 0, "batch_size": 8}
    attributes = tuple({**right, "threads": 1, **changed}.items())
    with pytest.raises(WRONG_CALL, match=message):
        np.asarray(kernel_call("jaxbm_train", attributes, (), (((), np.float32),))(jnp.zeros(1))[0])


@needs_native
def test_what_a_call_to_adam_expected():
    arguments = jnp.int32(0), jnp.zeros(6, jnp.float32), jnp.zeros(3)
    with pytest.raises(WRONG_CALL, match="number of arguments: expected 2, and 4 for each of the leaves, got 3"):
        np.asarray(kernel_call("jaxbm_adam", (("nesterov", 0),), (), (((3,), np.float32),))(*arguments)[0])


# ---- libraries that can't be used ----

USE = textwrap.dedent("""
    import sys, jax, jaxbm, numpy as np
    from jaxbm.kernels import native
    native.LIBRARY = sys.argv[1]
    print(jaxbm.kernels.status()["cpu"])
    x, y = np.ones((20, 3), np.float32), np.ones(20, np.float32)
    model = jaxbm.MLP((3, 4, 1))
    assert bool(jaxbm.fit(jax.random.key(0), model, x, y, loss="squared_error", epochs=2).finite)
    try:
        jaxbm.fit(jax.random.key(0), model, x, y, loss="squared_error", epochs=2, implementation="cpu")
    except NotImplementedError as error:
        print(error)
""")


def use(library):
    """What `status` says, and the error of asking for the kernel by name, in a process that finds `library`."""
    status, error = python("-W", "error", "-c", USE, library).stdout.strip().split("\n", 1)
    assert error.startswith("implementation='cpu': ")
    return status, error


def test_a_missing_library():
    status, error = use("/nonexistent/jaxbm_cpu.so")
    assert "were not compiled when jaxbm was installed" in status
    assert status in error


def test_a_file_that_is_no_library(tmp_path):
    library = tmp_path / "jaxbm_cpu.so"
    library.write_text("not a library")
    assert "could not be loaded" in use(library)[0]


@pytest.mark.skipif(COMPILER is None, reason="no C++ compiler here")
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('extern "C" const char* jaxbm_isa() { return "kernels_v9"; }', "jaxbm_names"),
        ("NEWER", "version"),
    ],
    ids=["without handlers", "of a newer interface"],
)
def test_a_library_of_another_version(tmp_path, source, said):
    library = tmp_path / "jaxbm_cpu.so"
    file = tmp_path / "library.cc"
    file.write_text(NEWER_INTERFACE if source == "NEWER" else source)
    include = Path(jaxlib.__path__[0]) / "include"
    command = [COMPILER, "-std=c++17", "-shared", "-fPIC", f"-I{include}", str(file), "-o", str(library)]
    subprocess.run(command, check=True)
    status, _ = use(library)
    assert "could not be loaded" in status
    assert said in status


NEWER_INTERFACE = """
#include "xla/ffi/api/c_api.h"
static XLA_FFI_Error* handler(XLA_FFI_CallFrame* frame) {
  auto* extension = reinterpret_cast<XLA_FFI_Metadata_Extension*>(frame->extension_start);
  if (extension) extension->metadata->api_version.major_version = 1;
  return nullptr;
}
extern "C" const char* jaxbm_isa() { return "kernels_v3"; }
extern "C" const char* jaxbm_names(const char*) { return ""; }
extern "C" XLA_FFI_Error* jaxbm_train(XLA_FFI_CallFrame* frame) { return handler(frame); }
extern "C" XLA_FFI_Error* jaxbm_apply(XLA_FFI_CallFrame* frame) { return handler(frame); }
extern "C" XLA_FFI_Error* jaxbm_adam(XLA_FFI_CallFrame* frame) { return handler(frame); }
extern "C" XLA_FFI_Error* jaxbm_permutation(XLA_FFI_CallFrame* frame) { return handler(frame); }
"""
