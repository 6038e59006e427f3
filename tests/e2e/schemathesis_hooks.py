"""How schemathesis logs in: a fresh token of the administrator for every call, whatever the calls before it
did to older ones. It loads this file by its path (SCHEMATHESIS_HOOKS)."""

import os
import sqlite3
import time
from typing import Any

import schemathesis

from headgate.control.auth.tokens import AccessTokens, Claims
from headgate.kit.crypto import Vault

_TOKENS = AccessTokens(Vault(bytes.fromhex(os.environ["TRIED_SECRET_KEY"])))
_DATABASE = os.environ["TRIED_DATABASE"]
_ADMIN = "SELECT id, email, role, token_version FROM users WHERE id = 1"


@schemathesis.auth(refresh_interval=None)
class Administrator:
    def get(self, case: Any, context: Any) -> str:
        connection = sqlite3.connect(_DATABASE, timeout=20)
        try:
            row = connection.execute(_ADMIN).fetchone()
        finally:
            connection.close()
        claims = Claims(user_id=row[0], email=row[1], role=row[2], token_version=row[3])
        return _TOKENS.issue(claims, now_s=int(time.time()), lifetime_s=600)

    def set(self, case: Any, data: str, context: Any) -> None:
        case.headers["Authorization"] = f"Bearer {data}"
