"""Runs all of OpsKnight on one machine: `python -m config.supervisor` (see ADR 0002)."""
