"""Runs a model's program in a process of its own."""
