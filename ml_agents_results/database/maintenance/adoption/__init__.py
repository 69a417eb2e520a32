"""Brings databases without a schema version under Alembic."""
