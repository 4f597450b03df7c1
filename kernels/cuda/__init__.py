"""Training on NVIDIA GPUs: an epoch of all members in one kernel, compiled for the run's shape when it first asks."""
