"""The kernels of MLPs: whole training runs, and inference."""
