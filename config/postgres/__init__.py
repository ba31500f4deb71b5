"""Our database backend: Django's for PostgreSQL, with a pool that survives a restart of it."""
