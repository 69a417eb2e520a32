"""Queues: runs that are drawn for people to label.

Why: labels speak for all runs only where the labelled ones are a random part of them. A queue
keeps how its runs were drawn, and who has still to look at which.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIMESTAMP = sa.TIMESTAMP().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    def belongs_to(table: str, column: str, parent: str) -> sa.ForeignKey:
        return sa.ForeignKey(
            f"{parent}.id",
            name=op.f(f"fk_{table}_{column}_{parent}"),
            ondelete="CASCADE",
            onupdate="CASCADE",
        )

    flags = (
        [sa.CheckConstraint("blind IN (0, 1)", name=op.f("ck_queues_blind"))]
        if op.get_bind().dialect.name == "sqlite"
        else []
    )
    op.create_table(
        "queues",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column(
            "experiment_id",
            TEXT,
            belongs_to("queues", "experiment_id", "experiments"),
            nullable=False,
        ),
        sa.Column(
            "metric_id", sa.Integer(), belongs_to("queues", "metric_id", "metrics"), nullable=False
        ),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("selection_json", TEXT, nullable=False),
        sa.Column("blind", sa.Boolean(), nullable=False),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("created_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queues")),
        sa.UniqueConstraint("experiment_id", "name", name=op.f("uq_queues_name")),
        *flags,
        sqlite_autoincrement=True,
    )
    op.create_table(
        "queue_items",
        sa.Column(
            "queue_id",
            sa.Integer(),
            belongs_to("queue_items", "queue_id", "queues"),
            nullable=False,
            autoincrement=False,
        ),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("run_id", TEXT, belongs_to("queue_items", "run_id", "runs"), nullable=False),
        sa.PrimaryKeyConstraint("queue_id", "position", name=op.f("pk_queue_items")),
        sa.CheckConstraint("position >= 0", name=op.f("ck_queue_items_position")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_queue_items_run_id", "queue_items", ["run_id"])


def downgrade() -> None:
    op.drop_table("queue_items")
    op.drop_table("queues")
