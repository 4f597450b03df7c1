"""Decompositions and solves."""
