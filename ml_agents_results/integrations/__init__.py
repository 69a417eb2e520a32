"""Integrations: other tools' evaluations, recorded while they run.

One switch for all: `ML_AGENTS_RECORD` names a database file or URL, or is `1` for the usual one.
Where it is not set nothing is written, printed or imported.
"""
