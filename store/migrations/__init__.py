"""Alembic's scripts. One subcommand an ALTER TABLE; no default that PostgreSQL makes up (storage.md, 2)."""
