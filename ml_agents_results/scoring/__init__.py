"""Reads answers out of texts, and grades them."""
