"""Identifiers as distinct types, so that an account id cannot be passed where a key id is meant."""

from typing import NewType

UserId = NewType("UserId", int)
KeyId = NewType("KeyId", int)
GroupId = NewType("GroupId", int)
AccountId = NewType("AccountId", int)
ProxyId = NewType("ProxyId", int)
SubscriptionId = NewType("SubscriptionId", int)
ExchangeId = NewType("ExchangeId", str)
"""One client request with its response; unique for ever, sorts by time."""
SessionKey = NewType("SessionKey", str)
"""Names a conversation for stickiness; always namespaced by the API key (GLOSSARY: sticky session)."""
