"""${message}.

Why:
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "${up_revision}"
down_revision: str | None = ${'"' + down_revision + '"' if down_revision else None}
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None
% if imports:

${imports}
% endif


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
