"""Fixtures for every test. PostgreSQL and Redis are started by tests/services.py."""
