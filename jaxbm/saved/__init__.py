"""Models in a folder: written, read, applied."""
