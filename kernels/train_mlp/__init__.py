"""Whole training runs: the contract every implementation keeps, and the implementations."""
