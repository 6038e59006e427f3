"""A configuration document: named things by section, as a file holds them. Pure.

Knows: which sections and fields there are, what a reference to a secret looks like. Refuses to know: the
database, ids. Invariants: no secret in clear is ever in a document; a section that is not in it is not
managed by it; a field that is not in it stays as it is.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from headgate.control.accounts.schemas import AccountFields, AccountView
from headgate.control.error_rules.schemas import RuleCreate
from headgate.control.groups.schemas import AdminGroupView, GroupFields
from headgate.control.oauth.providers import ProviderBody
from headgate.control.prices.schemas import PriceBody
from headgate.control.settings.health_rules import OverloadCooldown, StreamTimeout
from headgate.control.settings.request_rules import BetaPolicyBody, RectifierBody
from headgate.control.settings.schemas import AdminSettings, SettingsBody
from headgate.control.web.fields import RequestBody
from headgate.errors import BadRequest

VERSION = 1
Fields = Mapping[str, Any]
Items = Mapping[str, Fields]

PROXIES, GROUPS, ACCOUNTS, PRICES, SETTINGS = "proxies", "groups", "accounts", "prices", "settings"
ERROR_RULES, RULES, PROVIDERS = "error_rules", "rules", "identity_providers"
SECTIONS = (PROXIES, GROUPS, ACCOUNTS, PRICES, ERROR_RULES, RULES, PROVIDERS, SETTINGS)
"""In the order in which they can be made: later ones name earlier ones."""
ALWAYS_THERE = frozenset({RULES, SETTINGS})
"""Sections whose entries are neither made nor deleted: what a document does not name stays."""
STORED = "stored"
"""Instead of a reference: the secret that the database has."""
MAX_ITEMS = 10_000
_REFERENCE = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]{0,199}|file:[^\x00-\x1f]{1,4000}|stored)")

GROUP_REFERENCES = {
    "fallback_group": "fallback_group_id",
    "fallback_group_on_invalid_request": "fallback_group_id_on_invalid_request",
}
GROUP_PLAIN = frozenset(GroupFields.model_fields) & frozenset(AdminGroupView.model_fields) - {
    *GROUP_REFERENCES.values(), "default_proxy_id", "model_routing",
}  # fmt: skip
ACCOUNT_PLAIN = frozenset(AccountFields.model_fields) & frozenset(AccountView.model_fields) - {
    "extra", "proxy_id", "group_ids",
}  # fmt: skip
SETTING_SECRETS = frozenset(SettingsBody.model_fields) - frozenset(AdminSettings.model_fields)
"""Written, never read back: given by reference."""
SECRET_FIELDS: Mapping[str, frozenset[str]] = {
    PROXIES: frozenset({"password"}),
    ACCOUNTS: frozenset({"secret"}),
    PROVIDERS: frozenset({"client_secret"}),
    SETTINGS: SETTING_SECRETS,
}
RULE_BODIES: Mapping[str, type[RequestBody]] = {
    "overload_cooldown": OverloadCooldown,
    "stream_timeout": StreamTimeout,
    "rectifier": RectifierBody,
    "beta_policy": BetaPolicyBody,
}
"""Rules about accounts and clients, each there once."""
KNOWN: Mapping[str, frozenset[str]] = {
    PROXIES: frozenset({"protocol", "host", "port", "username", "password", "status"}),
    GROUPS: GROUP_PLAIN | GROUP_REFERENCES.keys() | {"platform", "status", "default_proxy", "model_routing"},
    ACCOUNTS: ACCOUNT_PLAIN
    | {"platform", "type", "status", "schedulable", "extra", "credentials", "secret", "proxy", "groups"},
    PRICES: frozenset(PriceBody.model_fields),
    ERROR_RULES: frozenset(RuleCreate.model_fields) - {"name"},
    RULES: frozenset().union(*(body.model_fields for body in RULE_BODIES.values())),
    PROVIDERS: frozenset(ProviderBody.model_fields),
    SETTINGS: frozenset(SettingsBody.model_fields),
}


class SecretPlace(NamedTuple):
    section: str
    name: str
    field: str
    reference: str


@dataclass(frozen=True, slots=True)
class Document:
    sections: Mapping[str, Items]

    def items(self, section: str) -> Items:
        return self.sections.get(section, {})

    def secret_places(self) -> Iterator[SecretPlace]:
        for section, names in SECRET_FIELDS.items():
            for name, fields in self.items(section).items():
                for field in sorted(names & fields.keys()):
                    yield SecretPlace(section, name, field, fields[field])

    def references(self) -> frozenset[str]:
        """Where secrets are to be looked up; without those that are stored."""
        return frozenset(place.reference for place in self.secret_places()) - {STORED}

    def shown(self) -> dict[str, Any]:
        """As a file holds it."""
        shown: dict[str, Any] = {"version": VERSION}
        for section in SECTIONS:
            if section not in self.sections:
                continue
            items = self.sections[section]
            if section == PRICES:
                shown[section] = [dict(fields) for fields in items.values()]
            elif section == SETTINGS:
                shown[section] = dict(items.get(SETTINGS, {}))
            else:
                shown[section] = {name: dict(fields) for name, fields in items.items()}
        return shown


def parse(data: Any) -> Document:
    """Raises CONFIG_INVALID with the place that is wrong."""
    if not isinstance(data, dict):
        raise invalid("the document", "must be a mapping of sections")
    if data.get("version") != VERSION:
        raise invalid("version", f"must be {VERSION}")
    for name in data:
        if name != "version" and name not in SECTIONS:
            raise invalid(str(name), f"is no section; there are {', '.join(SECTIONS)}")
    return Document({name: _section(name, data[name]) for name in SECTIONS if name in data})


def price_name(fields: Fields) -> str:
    """A price is known by its model and the instant from which it applies."""
    since = fields.get("effective_from")
    return str(fields.get("model")) if since is None else f"{fields.get('model')} from {since}"


def invalid(where: str, problem: str) -> BadRequest:
    return BadRequest(f"{where} {problem}", reason="CONFIG_INVALID")


def _section(section: str, data: Any) -> Items:
    if section == SETTINGS:
        return {SETTINGS: _fields(section, SETTINGS, data)}
    items: dict[str, Fields] = {}
    named: list[tuple[Any, Any]]
    if section == PRICES:
        if not isinstance(data, list):
            raise invalid(section, "must be a list")
        named = [(price_name(each) if isinstance(each, dict) else "", each) for each in data]
    elif isinstance(data, dict):
        named = list(data.items())
    else:
        raise invalid(section, "must be a mapping of names")
    if len(named) > MAX_ITEMS:
        raise invalid(section, f"has more than {MAX_ITEMS} entries")
    for name, fields in named:
        if not isinstance(name, str) or not 0 < len(name) <= 300 or name != name.strip():
            raise invalid(f"{section}: {name!r}", "must be a name without spaces around it; quote numbers")
        if name in items:
            raise invalid(f"{section}: {name!r}", "is there twice")
        items[name] = _fields(section, name, fields)
    return items


def _fields(section: str, name: str, data: Any) -> Fields:
    where = section if section == SETTINGS else f"{section}.{name}"
    if not isinstance(data, dict):
        raise invalid(where, "must be a mapping of fields")
    for field in data:
        if field not in KNOWN[section]:
            raise invalid(f"{where}.{field}", "is not known")
    for field in SECRET_FIELDS.get(section, frozenset()) & data.keys():
        if not isinstance(data[field], str) or not _REFERENCE.fullmatch(data[field]):
            raise invalid(
                f"{where}.{field}",
                "must be a reference: env:NAME, file:PATH or stored; never the secret itself",
            )
    return dict(data)
