"""Many members at once: seeds, ensembles, sweeps, folds and groups; one concept to a file."""
