"""PyTorch: an eager loop with fused Adam, the same compiled, and `torch.func` ensembles."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.workloads import BINARY, Workload

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def network(workload: Workload) -> nn.Sequential:
    """Linear layers with relu between them, Glorot uniform, zero biases."""
    layers: list[nn.Module] = []
    for fan_in, fan_out in zip(workload.sizes[:-1], workload.sizes[1:], strict=True):
        linear = nn.Linear(fan_in, fan_out)
        nn.init.xavier_uniform_(linear.weight)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).to(DEVICE)


def objective(workload: Workload, logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The mean loss of a batch."""
    if workload.loss == BINARY:
        return functional.binary_cross_entropy_with_logits(logits[:, 0], y)
    return functional.cross_entropy(logits, y)


def tensors(workload: Workload) -> list[Any]:
    """The rows on the device; class labels as int64, which PyTorch wants."""
    found = []
    for array in workload.data():
        tensor = None if array is None else torch.from_numpy(array).to(DEVICE)
        found.append(tensor.long() if tensor is not None and tensor.dtype == torch.int32 else tensor)
    return found


def job(workload: Workload, *, compiled: bool = False) -> Job:
    """Train models one after another, tensors indexed by a random permutation; the better number of threads."""
    x, y, x_val, y_val = tensors(workload)
    models = [network(workload)]

    def eager(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return objective(workload, models[0](x), y)

    def train(seed: int, epochs: int, loss_of: Any) -> dict[str, Any]:
        torch.manual_seed(seed)
        with torch.no_grad():
            for layer in models[0]:
                if isinstance(layer, nn.Linear):
                    nn.init.xavier_uniform_(layer.weight)
                    nn.init.zeros_(layer.bias)
        optimizer = torch.optim.Adam(models[0].parameters(), lr=workload.learning_rate, fused=True)
        history: dict[str, list[float]] = {"loss": [], "val_loss": []}
        for _ in range(epochs):
            order, total = torch.randperm(workload.rows, device=DEVICE), torch.zeros((), device=DEVICE)
            for chosen in order.view(-1, workload.batch_size):
                optimizer.zero_grad(set_to_none=True)
                loss = loss_of(x[chosen], y[chosen])
                loss.backward()
                optimizer.step()
                total += loss.detach()
            history["loss"].append(float(total) / workload.steps_per_epoch)
            if x_val is not None:
                with torch.no_grad():
                    history["val_loss"].append(float(objective(workload, models[0](x_val), y_val)))
        return {name: values for name, values in history.items() if values}

    # Tried without compilation, which belongs to the first call: here no clock would see it.
    best_threads(lambda: train(0, 1, eager))
    members, epochs, loss_of = workload.members, workload.epochs, torch.compile(eager) if compiled else eager

    def run(seed: int) -> Any:
        return [train(seed * members + m, epochs, loss_of) for m in range(members)]

    return Job(run, curves=lambda fits: {k: np.mean([f[k] for f in fits], axis=0) for k in fits[0]})


def ensemble(workload: Workload) -> Job:
    """Train all members at once: `torch.func` over stacked parameters, and one fused Adam for all of them."""
    from torch.func import functional_call, grad_and_value, stack_module_state, vmap

    x, y, *_ = tensors(workload)
    skeleton = network(workload).to("meta")
    own = None if workload.shared else 0

    def loss_of(params: Any, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return objective(workload, functional_call(skeleton, params, (x,)), y)

    step = vmap(grad_and_value(loss_of), in_dims=(0, own, own))

    def setup(seed: int) -> Any:
        torch.manual_seed(seed)
        params, _ = stack_module_state([network(workload) for _ in range(workload.members)])
        return params

    def run(params: Any) -> Any:
        optimizer = torch.optim.Adam(list(params.values()), lr=workload.learning_rate, fused=True)
        history = []
        for _ in range(workload.epochs):
            total = torch.zeros(workload.members, device=DEVICE)
            shape = (workload.rows,) if workload.shared else (workload.members, workload.rows)
            order = torch.rand(shape, device=DEVICE).argsort(dim=-1)
            for i in range(0, workload.rows, workload.batch_size):
                chosen = order[..., i : i + workload.batch_size]
                grads, losses = step(params, x[chosen], y[chosen])
                for name, value in params.items():
                    value.grad = grads[name]
                optimizer.step()
                total += losses.detach()
            history.append(float(total.mean()) / workload.steps_per_epoch)
        return {"loss": history}

    return Job(run, setup, dict)


def best_threads(train: Any) -> None:
    """Small networks run faster on one thread: try both."""
    trials = {}
    for count in {1, torch.get_num_threads()}:
        torch.set_num_threads(count)
        train()
        began = time.perf_counter()
        train()
        trials[count] = time.perf_counter() - began
    torch.set_num_threads(min(trials, key=lambda count: trials[count]))
