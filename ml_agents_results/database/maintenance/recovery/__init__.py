"""Salvages what a damaged SQLite file still holds."""
