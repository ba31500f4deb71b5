"""Servers that speak the protocols of providers, for tests and benchmarks."""
