"""Keras 3's `fit`, on the backend that KERAS_BACKEND names: as it comes, and tuned."""

from __future__ import annotations

from typing import Any

import numpy as np

from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.workloads import BINARY, Workload


def job(workload: Workload, *, steps_per_execution: int = 1, jit_compile: bool | str = "auto") -> Job:
    """Train by `Model.fit`; between rounds weights are drawn anew and Adam's state is zeroed, not recompiled."""
    import keras

    rows = workload.data()
    binary = workload.loss == BINARY
    model = keras.Sequential([keras.Input((workload.sizes[0],))])
    for width in workload.sizes[1:-1]:
        model.add(keras.layers.Dense(width, activation="relu"))
    model.add(keras.layers.Dense(workload.sizes[-1]))
    losses = keras.losses
    model.compile(
        optimizer=keras.optimizers.Adam(workload.learning_rate, epsilon=1e-8),
        loss=(losses.BinaryCrossentropy if binary else losses.SparseCategoricalCrossentropy)(from_logits=True),
        steps_per_execution=steps_per_execution,
        jit_compile=jit_compile,
    )
    validation = None if rows.x_val is None else (rows.x_val, rows.y_val)

    def setup(seed: int) -> int:
        rng = np.random.default_rng(seed)
        keras.utils.set_random_seed(seed)
        for layer in model.layers:
            fan_in, fan_out = layer.kernel.shape
            bound = (6 / (fan_in + fan_out)) ** 0.5
            layer.set_weights([rng.uniform(-bound, bound, (fan_in, fan_out)), np.zeros(fan_out)])
        for variable in model.optimizer.variables:
            if variable is not model.optimizer._learning_rate:
                variable.assign(np.zeros(variable.shape, variable.dtype))
        return seed

    def run(seed: int) -> Any:
        del seed
        options = {"batch_size": workload.batch_size, "epochs": workload.epochs, "verbose": 0}
        return model.fit(rows.x, rows.y, validation_data=validation, validation_batch_size=4_096, **options).history

    return Job(run, setup, curves=dict)
