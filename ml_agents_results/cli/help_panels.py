"""Sections of the help: what options are about, in the order in which `--help` shows them."""

OWN = ("Arguments", "Options")
"""Sections of arguments and options that name no other: what only this command has."""

QUESTIONS = "Questions"
MODEL = "Model"
SCORING = "Scoring"
JUDGE = "Judge"
LABELS = "Labels"
SELECTION = "Selection"
STATISTICS = "Statistics"
GATE = "Gate"
OUTPUT = "Output"
SERVER = "Server"
DATABASE = "Database"

ORDER = (
    *OWN,
    QUESTIONS,
    MODEL,
    SCORING,
    JUDGE,
    LABELS,
    SELECTION,
    STATISTICS,
    GATE,
    OUTPUT,
    SERVER,
    DATABASE,
)
