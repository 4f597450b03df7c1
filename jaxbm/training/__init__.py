"""One model: train it, evaluate it, predict with it."""
