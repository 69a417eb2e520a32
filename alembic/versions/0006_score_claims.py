"""Score claims: which process is asking a judge about which run.

Why: two processes may judge one experiment, and a verdict that is paid for is asked once.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIMESTAMP = sa.TIMESTAMP().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "score_claims",
        sa.Column(
            "metric_id",
            sa.Integer(),
            sa.ForeignKey(
                "metrics.id",
                name=op.f("fk_score_claims_metric_id_metrics"),
                ondelete="CASCADE",
                onupdate="CASCADE",
            ),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "run_id",
            TEXT,
            sa.ForeignKey(
                "runs.id",
                name=op.f("fk_score_claims_run_id_runs"),
                ondelete="CASCADE",
                onupdate="CASCADE",
            ),
            nullable=False,
        ),
        sa.Column("author", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("expires_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("metric_id", "run_id", "author", name=op.f("pk_score_claims")),
    )


def downgrade() -> None:
    op.drop_table("score_claims")
