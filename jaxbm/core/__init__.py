"""What everything stands on: random numbers, checks, names, files."""
