"""PyTorch's fastest way to many small networks: `torch.func` over all of them, a step recorded as a CUDA graph."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.peers.torch_loop import DEVICE, network, objective, tensors
from jaxbm.benchmarks.workloads import Workload

WARM_UP = 3
"""Steps before one is recorded, as PyTorch asks for: libraries allocate what they need in them."""


def job(workload: Workload) -> Job:
    """Train all members at once; on a CPU, where there are no such graphs, the step as it is."""
    x, y, *_ = tensors(workload)
    skeleton = network(workload).to("meta")
    members, size, steps = workload.members, workload.batch_size, workload.steps_per_epoch
    drawn, _ = stack_module_state([network(workload) for _ in range(min(members, 64))])  # drawing more takes seconds
    params = {
        name: value.detach().repeat(-(-members // 64), *[1] * (value.ndim - 1))[:members].clone().requires_grad_()
        for name, value in drawn.items()
    }
    optimizer = torch.optim.Adam(
        list(params.values()), lr=workload.learning_rate, fused=True, capturable=DEVICE == "cuda"
    )
    chosen = torch.zeros((members, size), dtype=torch.int64, device=DEVICE)
    total = torch.zeros(members, device=DEVICE)

    def loss_of(params: Any, x: Any, y: Any) -> Any:
        return objective(workload, functional_call(skeleton, params, (x,)), y)

    gradient = vmap(grad_and_value(loss_of))

    def step() -> None:
        grads, losses = gradient({name: value.detach() for name, value in params.items()}, x[chosen], y[chosen])
        for name, value in params.items():
            value.grad = grads[name]
        optimizer.step()
        total.add_(losses.detach())

    replay = _recorded(step) if DEVICE == "cuda" else step

    def run(seed: int) -> Any:
        del seed
        history = []
        for _ in range(workload.epochs):
            total.zero_()
            order = torch.rand((members, workload.rows), device=DEVICE).argsort(dim=-1)
            for i in range(steps):
                chosen.copy_(order[:, i * size : (i + 1) * size])
                replay()
            history.append(total.mean() / steps)
        return {"loss": [float(loss) for loss in history]}  # which waits for the device

    return Job(run, curves=dict)


def _recorded(step: Any) -> Any:
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            step()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return partial(_replayed, graph, step)


def _replayed(graph: Any, step: Any) -> None:
    """`step` comes along: the arrays that it holds are read by the graph, which doesn't keep them."""
    del step
    graph.replay()
