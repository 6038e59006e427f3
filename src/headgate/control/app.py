"""The management API as one FastAPI app; the composition root mounts it at /api (DESIGN 8)."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.routing import BaseRoute

from headgate.control.accounts import bulk_endpoints as account_bulk
from headgate.control.accounts import endpoints as accounts
from headgate.control.announcements import endpoints as announcements
from headgate.control.attributes import endpoints as attributes
from headgate.control.audit import endpoints as audit
from headgate.control.auth import endpoints as auth
from headgate.control.codes import endpoints as codes
from headgate.control.configuration import endpoints as configuration
from headgate.control.degradations import endpoints as degradations
from headgate.control.deps import ControlDeps
from headgate.control.embed import endpoints as embed
from headgate.control.error_rules import endpoints as error_rules
from headgate.control.events import endpoints as events
from headgate.control.events.hub import EventHub
from headgate.control.groups import endpoints as groups
from headgate.control.jobs import endpoints as jobs
from headgate.control.keys import endpoints as keys
from headgate.control.ledger import endpoints as ledger
from headgate.control.mail import endpoints as mail
from headgate.control.oauth import administration as oauth_providers
from headgate.control.oauth import endpoints as oauth
from headgate.control.prices import endpoints as prices
from headgate.control.promos import endpoints as promos
from headgate.control.proxies import endpoints as proxies
from headgate.control.public import endpoints as public
from headgate.control.registration import endpoints as registration
from headgate.control.requests import endpoints as requests
from headgate.control.scheduled_tests import endpoints as scheduled_tests
from headgate.control.settings import endpoints as settings
from headgate.control.settings import health_rules, request_rules
from headgate.control.slots import endpoints as slots
from headgate.control.statistics import endpoints as statistics
from headgate.control.subscriptions import endpoints as subscriptions
from headgate.control.totp import endpoints as totp
from headgate.control.usage import cleanup_endpoints as usage_cleanup
from headgate.control.usage import endpoints as usage
from headgate.control.users import endpoints as users
from headgate.control.web import documentation, faults, openapi
from headgate.control.web.body_limit import BodyLimit
from headgate.control.web.routing import GuardedRoute, introduce
from headgate.control.web.security_headers import SecurityHeaders
from headgate.control.webhooks import endpoints as webhooks

SLICES = (
    auth,
    registration,
    oauth,
    oauth_providers,
    totp,
    users,
    attributes,
    groups,
    account_bulk,
    accounts,
    jobs,
    degradations,
    proxies,
    keys,
    subscriptions,
    codes,
    promos,
    slots,
    events,
    statistics,
    usage_cleanup,
    usage,
    requests,
    ledger,
    prices,
    scheduled_tests,
    settings,
    configuration,
    webhooks,
    embed,
    mail,
    health_rules,
    request_rules,
    error_rules,
    audit,
    announcements,
    public,
)


@cache
def management_routes() -> Sequence[BaseRoute]:
    """The same for every app of a process: they find what they work with at the app, and building them takes
    a third of a second."""
    router = APIRouter(redirect_slashes=False)
    for slice_ in SLICES:
        slice_.routes.install(router)
    introduce(router.routes)
    return router.routes


@cache
def management_schema() -> dict[str, Any]:
    """The OpenAPI document of all routes; the same for every app of a process."""
    return openapi.described(management_routes())


def create_control_app(deps: ControlDeps) -> FastAPI:
    """Build the app: routes `/v1/...`, documentation at `/docs`, schema at `/openapi.json`."""
    app = FastAPI(
        title=openapi.TITLE,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.router.route_class = GuardedRoute  # whoever adds a route past the tables needs a permission as well
    app.state.deps = deps
    app.state.events = EventHub(deps)
    faults.install(app)
    documentation.install(app, management_schema)
    app.router.routes.extend(management_routes())
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)
    return app
