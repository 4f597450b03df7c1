"""PyTorch's passes through a network of linear layers, eager, in inference mode where no gradient is wanted."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from jaxbm.benchmarks.cases import Operation
from jaxbm.benchmarks.method import Job
from jaxbm.benchmarks.peers.torch_loop import DEVICE, best_threads, network, objective
from jaxbm.benchmarks.workloads import Workload


def job(case: Operation) -> Job:
    """A forward pass, or loss and gradients, as `case.name` says; the better number of threads."""
    rows, width = case.shape[0], case.sizes[0]
    workload = Workload(case.name, case.sizes, rows=rows, batch_size=rows)
    model = network(workload)
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((rows, width), np.float32)).to(DEVICE)
    y = (x[:, 0] > 0).float()

    def run(seed: int) -> Any:
        del seed
        if case.name == "forward":
            with torch.inference_mode():
                return _waited(model(x))
        model.zero_grad(set_to_none=True)
        loss = objective(workload, model(x), y)
        loss.backward()
        return _waited(loss)

    best_threads(lambda: run(0))
    return Job(run)


def _waited(output: torch.Tensor) -> torch.Tensor:
    if output.is_cuda:
        torch.cuda.synchronize()
    return output
