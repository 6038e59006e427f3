import asyncio

from structlog.testing import capture_logs

from headgate.kit.tasks import TaskOwner


async def test_a_task_carries_its_owners_name() -> None:
    owner = TaskOwner("relay")
    task = owner.spawn(asyncio.sleep(0), name="pump")
    assert task.get_name() == "relay:pump"
    await owner.close()


async def test_a_finished_task_is_let_go() -> None:
    owner = TaskOwner("relay")
    await owner.spawn(asyncio.sleep(0), name="pump")
    await asyncio.sleep(0)
    assert len(owner) == 0


async def test_a_failure_is_reported_with_the_tasks_name() -> None:
    async def fail() -> None:
        raise LookupError("lost")

    owner = TaskOwner("relay")
    with capture_logs() as logs:
        owner.spawn(fail(), name="pump")
        await owner.join(1)
        await asyncio.sleep(0)
    assert [(line["event"], line["task"], line["error"]) for line in logs] == [
        ("task_failed", "relay:pump", "LookupError")
    ]


async def test_join_waits_for_work_but_not_for_ever() -> None:
    owner = TaskOwner("relay")
    await owner.join(1)  # nothing to wait for
    quick = owner.spawn(asyncio.sleep(0), name="quick")
    await owner.join(1)
    assert quick.done()
    slow = owner.spawn(asyncio.Event().wait(), name="slow")
    await owner.join(0.01)
    assert not slow.done()
    await owner.close()


async def test_close_cancels_what_still_runs_and_says_nothing_about_it() -> None:
    owner = TaskOwner("relay")
    task = owner.spawn(asyncio.Event().wait(), name="for ever")
    with capture_logs() as logs:
        await owner.close()
    assert task.cancelled()
    assert logs == []
