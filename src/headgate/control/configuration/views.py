"""Revisions as the API and the command line show them."""

from headgate.control.configuration.schemas import RevisionView
from headgate.storage.models import ConfigRevisionRow


def revision_view(row: ConfigRevisionRow) -> RevisionView:
    return RevisionView(
        number=row.id,
        created_at=row.created_at,
        actor=row.actor,
        via=row.via,
        note=row.note,
        summary=row.summary,
    )
