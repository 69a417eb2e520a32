"""Backups, integrity checks, recovery, and the adoption of old layouts."""
