"""OpsKnight: an alert reaches a person, who acknowledges it."""

__version__ = "0.1.0"
