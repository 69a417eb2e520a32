"""Claims: which process is asking which planned run.

Why: two processes may work on one experiment, and a question that is paid for is asked once.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TIMESTAMP = sa.TIMESTAMP().with_variant(sa.TIMESTAMP(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "claims",
        sa.Column(
            "experiment_id",
            TEXT,
            sa.ForeignKey(
                "experiments.id",
                name=op.f("fk_claims_experiment_id_experiments"),
                ondelete="CASCADE",
                onupdate="CASCADE",
            ),
            nullable=False,
        ),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("expires_at", TIMESTAMP, nullable=False),
        sa.PrimaryKeyConstraint("experiment_id", "position", name=op.f("pk_claims")),
        sa.CheckConstraint("position >= 0", name=op.f("ck_claims_position")),
    )


def downgrade() -> None:
    op.drop_table("claims")
