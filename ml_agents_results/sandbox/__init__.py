"""Sandbox: runs a model's program in a process of its own."""
