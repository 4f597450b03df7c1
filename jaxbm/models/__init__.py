"""Networks: pure functions over pytrees of parameters."""
