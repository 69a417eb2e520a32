"""Experiments that run, crash and resume: datasets, approaches, providers, parsing, the runner."""
