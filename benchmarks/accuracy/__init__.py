"""The contest of accuracy: real tables, our presets, and whoever else is installed."""
