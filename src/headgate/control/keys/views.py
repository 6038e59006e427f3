"""Keys as the API shows them: with their group, and until when an older secret works."""

from collections.abc import Sequence

from headgate.control.groups.repository import GroupRepository
from headgate.control.groups.schemas import group_view
from headgate.control.keys.rotation import overlaps_until
from headgate.control.keys.schemas import KeyView, key_view
from headgate.control.work import Work
from headgate.storage.models import ApiKeyRow


async def key_views(work: Work, rows: Sequence[ApiKeyRow]) -> list[KeyView]:
    """In the order given; a key without a group has none to show."""
    ids = {row.group_id for row in rows if row.group_id is not None}
    groups = await GroupRepository(work.session).by_ids(ids)
    shown = {id_: group_view(group) for id_, group in groups.items()}
    until = await overlaps_until(work.session, [row.id for row in rows], work.now())
    return [
        key_view(
            row,
            now_ms=work.now_ms(),
            group=shown.get(row.group_id or 0),
            older_until=until.get(row.id),
        )
        for row in rows
    ]
