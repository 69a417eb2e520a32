"""Experiments: datasets, approaches, plan, runner, worker pool, recorder, platform files."""
