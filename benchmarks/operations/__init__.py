"""Single operations under the clock, ours and others', a short file for each kind."""
