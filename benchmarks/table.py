"""The table of figures: the works of each group, and what each figure is next to, with its goal.

Goals are those that the project set itself, else what was reached before; in the full sizes only.
"""

from benchmarks.harness import Group, Row, Work

BARE_SQLITE = "bare sqlite3"
BARE_SQL = "bare SQL"
CURSOR = "bare, on a cursor"
ROWS = "bare, in memory"
MILLION = {"runs": 1_000_000}
HUNDRED_THOUSAND = {"runs": 100_000}
SIZES = (1_000, 10_000, 100_000, 1_000_000)
UP_TO_A_MILLION = {"sizes": SIZES}
UP_TO_100_000 = {"sizes": SIZES[:-1]}

GROUPS = {
    "saving": Group(
        (
            Work("saving.responses_one_by_one", {"rounds": 9}, {"rounds": 3}),
            Work("saving.runs_with_scores", {"rounds": 9}, {"rounds": 3}),
        ),
        (
            Row("* durable saves", "s", BARE_SQLITE, at_most=1.4),
            Row("* durable saves, processor time", "s CPU", BARE_SQLITE, at_most=2.5),
            Row("* durable saves, backed up every 100", "s", BARE_SQLITE),
            Row("a connection per save", "s", "ours", at_least=5),
            Row("* runs of a loop of one's own", "s", BARE_SQLITE),
            Row("* durable saves with 3 scores", "s", BARE_SQLITE, at_most=1.4),
            Row("* durable saves with 3 scores, processor time", "s CPU", BARE_SQLITE, at_most=1.7),
        ),
    ),
    "bulk": Group(
        (
            Work("saving.many_at_once", {"runs": 20_000}, {"runs": 5_000}),
            Work("saving.imports", {"lines": 100_000}, {"lines": 20_000}),
            Work("saving.into_a_large_file", MILLION, HUNDRED_THOUSAND),
        ),
        (
            Row("save_runs of *", "s CPU", "executemany", at_most=1.6),
            Row("import of * lines*", "s CPU", "executemany", at_most=2.5),
            Row("* durable saves at * runs", "s", "at 10,000 runs", at_most=1.43),
        ),
    ),
    "startup": Group(
        (Work("startup.commands"), Work("startup.installation")),
        (
            Row("ml-agents --*", "ms", "python -c pass", more=150),
            Row("completion of *", "ms", "python -c pass", more=150),
            Row("*, 1,000 experiments", "ms", "import sqlalchemy.orm", more=150),
            Row("the core, * packages installed", "MiB", "SciPy, NumPy and pandas"),
        ),
    ),
    "analyses": Group(
        (
            Work("analyses.beside_sql", {**MILLION, "experiments": 20}, HUNDRED_THOUSAND),
            Work("analyses.beside_sql", {**MILLION, "experiments": 1}, HUNDRED_THOUSAND),
            Work("analyses.numeric", MILLION, HUNDRED_THOUSAND),
            Work(
                "analyses.ranking",
                {"variants": 50, "samples": 14_000},
                {"variants": 10, "samples": 2_850},
            ),
        ),
        (
            Row("*, in all", "s", "allowed", at_most=1, detail=True),
            Row("*, 50,000 of *", "s", BARE_SQL, at_most=1.0, detail=True),
            Row("summary, *", "s", BARE_SQL, at_most=1.0),
            Row("by task, *", "s", BARE_SQL, at_most=1.0),
            Row("cost, *", "s", BARE_SQL, at_most=1.0),
            Row("compare, *", "s", BARE_SQL, at_most=0.6),
            Row("latency, *", "s", BARE_SQL, at_most=0.6),
            Row("failures, *", "s", BARE_SQL, at_most=0.6),
            Row("compare on a numeric metric, *", "s CPU", "paired sums in SQL", at_most=1.1),
            Row("ranking *", "s CPU", "reading the columns", at_most=3.0),
        ),
    ),
    "exports": Group(
        (
            Work(
                "exports.formats",
                {"sizes": (1_000, 10_000, 100_000)},
                {"sizes": (1_000, 10_000)},
            ),
        ),
        (
            Row("*, peak memory at *", "MiB", "10,000 runs", at_most=1.2, detail=True),
            Row("*, memory added", "MiB", "allowed", at_most=1, detail=True),
            Row("excel*, rows", "s CPU", ROWS, at_most=1.5, detail=True),
            Row("parquet*, rows", "s CPU", ROWS, at_most=1.5),
            Row("*, rows", "s CPU", ROWS, at_most=2.0, detail=True),
            Row("* of 10,000 runs", "s CPU", CURSOR, detail=True),
            Row("parquet export of *", "s CPU", CURSOR, at_most=1.3),
            Row("* export of *", "s CPU", CURSOR, at_most=1.2),
        ),
    ),
    "scoring": Group(
        (
            Work("answer_reading.shares"),
            Work("answer_reading.scored_again", {"answers": 100_000}, {"answers": 10_000}),
        ),
        (
            Row("right answers read right", "", "all of them", at_least=0.96),
            Row("wrong answers called right", "", "one in a hundred", at_most=1),
            Row("wanted verdicts at *", "", "all of them", at_least=0.98),
            Row("scoring * answers again", "s CPU", "two cores for 60 s", at_most=1),
        ),
    ),
    "viewer": Group(
        (
            Work("viewer.pages", MILLION, HUNDRED_THOUSAND),
            Work("viewer.first_page", {**MILLION, "rounds": 3}, {"runs": 100_000, "rounds": 1}),
            Work("viewer.looked_at", {**MILLION, "saves": 1000}, {"runs": 100_000, "saves": 100}),
        ),
        (
            Row("runs, a filter that matches nothing", "ms CPU", "a bare server", at_most=1.3),
            Row("runs, slowest first", "ms CPU", "a bare server", at_most=1.3),
            Row("*runs*", "ms CPU", "a bare server", at_most=3),
            Row("one sample, *", "ms CPU", "a bare server", at_most=3),
            Row("a page at nine tenths", "ms CPU", "the first page", at_most=1.2),
            Row("a search until *", "s", "a second", at_most=1.3),
            Row("an experiment, from memory", "s", "20 ms", at_most=1),
            Row("memory after all pages", "MB", "the goal", at_most=1),
            Row("an experiment, at first", "s CPU", "its two services", at_most=1.2),
            Row("a save, looked at", "ms", "nobody looks", at_most=1.03),
        ),
    ),
    "growth": Group(
        (
            Work("growth.of_analyses", UP_TO_A_MILLION, UP_TO_100_000),
            Work("growth.of_volume", UP_TO_A_MILLION, UP_TO_100_000),
            Work("growth.again", MILLION, HUNDRED_THOUSAND),
            Work("growth.peaks", {"few": 10_000, "many": 1_000_000}, {"many": 100_000}),
        ),
        (
            Row("*, twice the runs", "times", "once", at_most=2.3, detail=True),
            Row("the same analysis again, *", "s", "the first time", at_most=0.02),
            Row("peak memory of *", "MiB", "10,000", at_most=1.3),
        ),
    ),
    "runner": Group(
        (Work("runner.recording", {"runs": 3000, "large": 20_000}, {"large": 2000}),),
        (
            Row("*, next to calls", "runs/s", "bare client"),
            Row("runner, *", "runs/s", "asked", at_least=1),
            Row("memory of *", "MiB", "allowed", at_most=1),
        ),
    ),
    "lake": Group(
        (Work("lake.parquet_folder", {"runs": 10_000_000}, HUNDRED_THOUSAND),),
        (
            Row("peak memory of both, *", "MiB", "the bound", at_most=1),
            Row("*", "s", "the bound", at_most=1),
        ),
    ),
    "postgres": Group(
        (
            Work("postgres.saves", {"seconds": 4.0}, {"seconds": 1.0}),
            Work("postgres.imports", {"runs": 20_000}, {"runs": 2_000}),
            Work("postgres.analyses", MILLION, HUNDRED_THOUSAND),
        ),
        (
            Row("durable saves *", "saves/s", "bare psycopg", at_least=0.5),
            Row("import of * new *", "runs/s", "bare COPY", at_least=0.6),
            Row("import of * known *", "runs/s", "bare COPY"),
            Row("*, in all", "s", "the bound", at_most=1, detail=True),
            Row("*", "s", BARE_SQL, at_most=1.5),
        ),
    ),
    "peers": Group(
        (
            Work("peers.recording"),
            Work("peers.comparison", {"pairs": 100_000}, {"pairs": 1_000}),
        ),
        (
            Row("mlflow, a run", "ms", "ours", at_least=40),
            Row("optuna, a run", "ms", "ours", at_least=50),
            Row("inspect, a run", "ms", "ours"),
            Row("* pairs*", "s CPU", "ours"),
        ),
        by_hand=True,
    ),
}
