"""Fields of a document in the one form in which they can be compared. Pure.

The bodies of the API decide what is valid; a document knows no other rules.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from headgate.control.accounts.credentials import OPEN_FIELDS, SECRET_FIELD, merged
from headgate.control.accounts.quota import QuotaSettings
from headgate.control.accounts.schemas import AccountUpdate
from headgate.control.configuration.document import (
    ACCOUNT_PLAIN,
    ACCOUNTS,
    ERROR_RULES,
    GROUP_PLAIN,
    GROUP_REFERENCES,
    GROUPS,
    PRICES,
    PROVIDERS,
    PROXIES,
    RULE_BODIES,
    RULES,
    SETTING_SECRETS,
    SETTINGS,
    Document,
    Fields,
    invalid,
    price_name,
)
from headgate.control.error_rules.schemas import RuleUpdate
from headgate.control.groups.schemas import FairSharingFields, GroupUpdate, ModelLimitFields, stored_limits
from headgate.control.oauth.providers import ProviderFields
from headgate.control.prices.schemas import PriceBody
from headgate.control.proxies.schemas import ProxyUpdate
from headgate.control.settings.schemas import SettingsBody
from headgate.control.users.repository import normal_email
from headgate.errors import ApiError

_PLACEHOLDER = "x"
_QUOTA = "quota_"
SHARING = "fair_sharing"
MODEL_LIMITS = "model_limits"


def normalised(document: Document) -> Document:
    """Raises CONFIG_INVALID with the place that is wrong."""
    sections: dict[str, dict[str, Fields]] = {}
    for section, items in document.sections.items():
        made = sections[section] = {}
        for name, fields in items.items():
            where = section if section == SETTINGS else f"{section}.{name}"
            form = _FORMS[section](where, fields)
            key = price_name(form) if section == PRICES else name
            if key in made:
                raise invalid(where, "is there twice")
            made[key] = form
    return Document(sections)


def plain_extra(extra: Mapping[str, Any]) -> dict[str, Any]:
    """Without counters, computed fields and what says nothing."""
    given = {name: extra[name] for name in QuotaSettings.model_fields if extra.get(name) is not None}
    quota = QuotaSettings.model_validate(given).model_dump(mode="json", exclude_defaults=True)
    if not any(name.endswith("_limit") for name in quota):
        quota = {}
    return {name: value for name, value in extra.items() if not name.startswith(_QUOTA)} | quota


def _proxy(where: str, fields: Fields) -> Fields:
    return _checked(where, ProxyUpdate, fields, beside=("password",))


def _group(where: str, fields: Fields) -> Fields:
    beside = (*GROUP_REFERENCES, "default_proxy", "model_routing", SHARING)
    form = _checked(where, GroupUpdate, fields, beside=beside)
    if SHARING in fields:
        form[SHARING] = _sharing(f"{where}.{SHARING}", fields[SHARING])
    if (limits := form.get(MODEL_LIMITS)) is not None:
        form[MODEL_LIMITS] = stored_limits(
            {name: ModelLimitFields.model_validate(entry) for name, entry in limits.items()}
        )
    for name in (*GROUP_REFERENCES, "default_proxy"):
        if name in fields:
            form[name] = _name(f"{where}.{name}", fields[name])
    if "model_routing" in fields:
        routes = fields["model_routing"] or {}
        if not isinstance(routes, dict):
            raise invalid(f"{where}.model_routing", "must be a mapping: model pattern -> account names")
        form["model_routing"] = {
            str(pattern): _names(f"{where}.model_routing.{pattern}", names)
            for pattern, names in routes.items()
        }
    return _none_only_where_it_means_something(where, form, GROUP_CLEARED)


def _sharing(where: str, value: Any) -> dict[str, Any] | None:
    """Users by e-mail; no slots to share are no sharing."""
    if value is None:
        return None
    if not isinstance(value, dict) or not isinstance(users := value.get("users") or {}, dict):
        raise invalid(where, "must be a mapping with slots, guaranteed and users")
    mails = [_mail(f"{where}.users", mail) for mail in users]
    if len(set(mails)) != len(mails):
        raise invalid(f"{where}.users", "names somebody twice")
    numbered = {str(number): share for number, share in enumerate(users.values(), 1)}
    form = _checked(where, FairSharingFields, value | {"users": numbered})
    if not form["slots"]:
        return None
    shares = _with_defaults(FairSharingFields, form)
    shares["users"] = {mail: shares["users"][str(number)] for number, mail in enumerate(mails, 1)}
    return shares


def _mail(where: str, value: Any) -> str:
    if not isinstance(value, str) or ("@" not in value and not value.isdigit()):
        raise invalid(where, f"must be by e-mail address, not {value!r}")
    return normal_email(value)


def _with_defaults(body: type[BaseModel], form: Fields) -> dict[str, Any]:
    return body.model_validate(form).model_dump(mode="json")


def _error_rule(where: str, fields: Fields) -> Fields:
    form = _checked(where, RuleUpdate, fields)
    for name in ("error_codes", "keywords", "platforms"):
        if form.get(name) is not None:
            values = (value.strip() if isinstance(value, str) else value for value in form[name])
            form[name] = list(dict.fromkeys(values))
    return _none_only_where_it_means_something(where, form, RULE_CLEARED)


def _rule(where: str, fields: Fields) -> Fields:
    name = where.removeprefix(f"{RULES}.")
    body = RULE_BODIES.get(name)
    if body is None:
        raise invalid(where, f"is no rule; there are {', '.join(RULE_BODIES)}")
    for field in fields:
        if field not in body.model_fields:
            raise invalid(f"{where}.{field}", "is not known")
    needed = {"enabled": True} if "enabled" in body.model_fields else {}
    form = _with_defaults(body, _checked(where, body, {**needed, **fields}))
    return {field: form[field] for field in fields}


def _provider(where: str, fields: Fields) -> Fields:
    plain = [name for name in fields if name != "client_secret"]
    form = _checked(where, _SomeProviderFields, {name: fields[name] for name in plain})
    if "client_secret" in fields:
        form["client_secret"] = fields["client_secret"]
    return _none_only_where_it_means_something(where, form, set())


class _SomeProviderFields(ProviderFields):
    """Those that a document names: the rest stays, or is a preset's."""

    name: str = "x"
    client_id: str = "x"


def _account(where: str, fields: Fields) -> Fields:
    plain = {name: value for name, value in fields.items() if name in ACCOUNT_PLAIN | {"type", "status"}}
    form = _checked(where, AccountUpdate, plain)
    if form.get("type") == "upstream":
        form["type"] = "apikey"
    if form.get("status") == "error":
        raise invalid(f"{where}.status", "must be active or inactive")
    for name in ("expires_at", "load_factor"):
        if isinstance(form.get(name), int) and form[name] <= 0:
            form[name] = None
    kind = str(fields.get("type", "apikey"))
    for name, value in fields.items():
        if name not in plain:
            form[name] = _account_field(f"{where}.{name}", name, value, kind)
    return _none_only_where_it_means_something(where, form, ACCOUNT_CLEARED)


def _account_field(where: str, name: str, value: Any, kind: str) -> Any:
    match name:
        case "platform" | "proxy":
            return _name(where, value)
        case "groups":
            return sorted(set(_names(where, value)))
        case "extra":
            return _extra(where, value)
        case "credentials":
            return _credentials(where, value, kind)
        case "schedulable" if not isinstance(value, bool):
            raise invalid(where, "must be true or false")
        case _:
            return value


def _price(where: str, fields: Fields) -> Fields:
    return _checked(where, PriceBody, fields)


def _settings(where: str, fields: Fields) -> Fields:
    """Default subscriptions name groups here, not ids."""
    plain = {name: value for name, value in fields.items() if name != "default_subscriptions"}
    form = _checked(where, SettingsBody, plain, beside=SETTING_SECRETS)
    if "default_subscriptions" in fields:
        form["default_subscriptions"] = _defaults(f"{where}.default_subscriptions", fields)
    return _none_only_where_it_means_something(where, form, set())


def _defaults(where: str, fields: Fields) -> list[dict[str, Any]]:
    listed = fields["default_subscriptions"]
    if not isinstance(listed, list):
        raise invalid(where, "must be a list of {group, validity_days}")
    form: list[dict[str, Any]] = []
    for each in listed:
        if not isinstance(each, dict) or each.keys() != {"group", "validity_days"}:
            raise invalid(where, "must be a list of {group, validity_days}")
        form.append({"group": _name(where, each["group"]), "validity_days": each["validity_days"]})
    return form


_FORMS: Mapping[str, Callable[[str, Fields], Fields]] = {
    PROXIES: _proxy, GROUPS: _group, ACCOUNTS: _account, PRICES: _price, ERROR_RULES: _error_rule,
    RULES: _rule, PROVIDERS: _provider, SETTINGS: _settings,
}  # fmt: skip
GROUP_CLEARED = {
    *(name for name in GROUP_PLAIN if name.endswith("_limit_usd") or name.startswith("image_price_")),
    *GROUP_REFERENCES,
    "default_proxy",
    SHARING,
}
ACCOUNT_CLEARED = frozenset({"expires_at", "load_factor", "proxy"})
RULE_CLEARED = frozenset({"response_code", "custom_message"})
"""What `null` empties."""


def _checked(where: str, body: type[BaseModel], fields: Fields, beside: Iterable[str] = ()) -> dict[str, Any]:
    """The fields as the body understands them; those `beside` are taken as they are."""
    kept = {name: fields[name] for name in beside if name in fields}
    try:
        made = body.model_validate({name: value for name, value in fields.items() if name not in kept})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = ".".join(str(part) for part in (where, *first["loc"]))
        raise invalid(f"{path}:", first["msg"]) from None
    shown = made.model_dump(mode="json", exclude_unset=True) | kept
    return {name: shown[name] for name in fields if name in shown}  # in the document's own order


def _name(where: str, value: Any) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise invalid(where, "must be a name; quote numbers")
    return value


def _names(where: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise invalid(where, "must be a list of names")
    return list(value)


def _extra(where: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise invalid(where, "must be a mapping")
    try:
        return plain_extra(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise invalid(f"{where}.{first['loc'][0]}:", first["msg"]) from None


def _credentials(where: str, value: Any, kind: str) -> dict[str, Any]:
    """The open part only: whoever writes a secret here is told so."""
    if not isinstance(value, dict):
        raise invalid(where, "must be a mapping")
    for name in value:
        if name not in OPEN_FIELDS:
            raise invalid(f"{where}.{name}", "is a secret or not known; secrets go under `secret`")
    if kind not in SECRET_FIELD:
        kind = "apikey"
    try:
        return dict(merged({**value, SECRET_FIELD[kind]: _PLACEHOLDER}, kind=kind, stored=None).open)
    except ApiError as error:
        raise invalid(f"{where}:", error.message) from None


def _none_only_where_it_means_something(
    where: str, form: dict[str, Any], cleared: Collection[str]
) -> dict[str, Any]:
    for name, value in form.items():
        if value is None and name not in cleared:
            raise invalid(f"{where}.{name}", "must not be null; leave it out")
    return form
