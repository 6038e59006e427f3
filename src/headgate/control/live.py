"""Live concurrency from the slot store: display only, so an unreachable store shows zeros instead of
failing the page."""

from collections.abc import Mapping, Sequence

import structlog

from headgate.state.protocols import Loads, SlotStore, StateUnavailable

log = structlog.get_logger(__name__)


class SlotLoads:
    """`LiveLoad` over `SlotStore`: resources are named `account:<id>` and `user:<id>`."""

    def __init__(self, slots: SlotStore) -> None:
        self._slots = slots

    async def accounts(self, ids: Sequence[int]) -> Mapping[int, int]:
        return await self._in_use("account", ids)

    async def users(self, ids: Sequence[int]) -> Mapping[int, int]:
        return await self._in_use("user", ids)

    async def _in_use(self, kind: str, ids: Sequence[int]) -> Mapping[int, int]:
        names = {f"{kind}:{id_}": id_ for id_ in ids}
        try:
            loads = await self._slots.load(list(names)) if names else Loads()
        except StateUnavailable:
            log.warning("live_load_unavailable", kind=kind)
            return {}
        return {id_: loads[name].in_use for name, id_ in names.items()}
