"""HTTP of user attributes."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import Query

from headgate.control.attributes.schemas import (
    BatchBody,
    BatchView,
    DefinitionCreate,
    DefinitionUpdate,
    DefinitionView,
    ReorderBody,
    ValuesBody,
    ValuesView,
)
from headgate.control.attributes.service import DefinitionService, ValueService
from headgate.control.web.envelope import MessageView
from headgate.control.web.fields import IdPath
from headgate.control.web.routing import CurrentWork, Permission, RouteTable

routes = RouteTable("/admin", tag="user attributes")


@routes.route("GET", "/user-attributes", Permission.READ)
async def list_definitions(
    work: CurrentWork, enabled: Annotated[bool, Query(description="only those in use")] = False
) -> Sequence[DefinitionView]:
    """What is known of users besides, in the order in which it is shown."""
    rows = await DefinitionService(work).all(only_enabled=enabled)
    return [DefinitionView.model_validate(row) for row in rows]


@routes.route("POST", "/user-attributes", Permission.ADMIN, status=201)
async def create_definition(body: DefinitionCreate, work: CurrentWork) -> DefinitionView:
    """Add an attribute; it comes last."""
    return DefinitionView.model_validate(await DefinitionService(work).create(body))


@routes.route("POST", "/user-attributes/batch", Permission.READ)
async def values_of_users(body: BatchBody, work: CurrentWork) -> BatchView:
    """The values of many users."""
    return BatchView(attributes=await ValueService(work).of_users(body.user_ids))


@routes.route("PUT", "/user-attributes/reorder", Permission.ADMIN)
async def reorder_definitions(body: ReorderBody, work: CurrentWork) -> Sequence[DefinitionView]:
    """The order in which attributes are shown; those that are not named come after."""
    rows = await DefinitionService(work).reorder(body.ids)
    return [DefinitionView.model_validate(row) for row in rows]


@routes.route("GET", "/user-attributes/{definition_id}", Permission.READ)
async def get_definition(definition_id: IdPath, work: CurrentWork) -> DefinitionView:
    """One attribute."""
    return DefinitionView.model_validate(await DefinitionService(work).get(definition_id))


@routes.route("PUT", "/user-attributes/{definition_id}", Permission.ADMIN)
async def update_definition(
    definition_id: IdPath, body: DefinitionUpdate, work: CurrentWork
) -> DefinitionView:
    """Change an attribute; absent fields stay."""
    return DefinitionView.model_validate(await DefinitionService(work).update(definition_id, body))


@routes.route("DELETE", "/user-attributes/{definition_id}", Permission.ADMIN)
async def delete_definition(definition_id: IdPath, work: CurrentWork) -> MessageView:
    """Delete an attribute, with everybody's values of it."""
    await DefinitionService(work).delete(definition_id)
    return MessageView(message="attribute deleted")


@routes.route("GET", "/users/{user_id}/attributes", Permission.READ)
async def get_values(user_id: IdPath, work: CurrentWork) -> ValuesView:
    """A user's values, by attribute."""
    return ValuesView(values=await ValueService(work).of_user(user_id))


@routes.route("PUT", "/users/{user_id}/attributes", Permission.ADMIN)
async def change_values(user_id: IdPath, body: ValuesBody, work: CurrentWork) -> ValuesView:
    """Set values; attributes that are not named stay, an empty text takes a value away."""
    return ValuesView(values=await ValueService(work).change(user_id, body.values))
