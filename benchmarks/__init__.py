"""Benchmarks that a stranger can repeat: `jaxbm bench`. Nothing else of jaxbm imports this package."""
