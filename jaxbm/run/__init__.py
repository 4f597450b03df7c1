"""What a training run is, and the loop that describes it in plain JAX."""
