"""What an installer is told, and what it becomes as settings. Pure.

Fields and formats are those of comparable gateways (spec 7.13); `{"type": "sqlite"}` stands for the file in
the data directory, and no `redis` for state within the one process.
"""

from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

Host = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$")]
Port = Annotated[int, Field(strict=True, ge=1, le=65535)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]
Password = Annotated[str, Field(max_length=512)]


class _Draft(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class DatabaseDraft(_Draft):
    type: Literal["postgresql", "sqlite"] = "postgresql"
    host: Host = "localhost"
    port: Port = 5432
    user: Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,63}$")] = "postgres"
    password: Password = ""
    dbname: Name = "headgate"
    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] = "disable"

    @property
    def url(self) -> str | None:
        """As `database.url`; None: the file."""
        if self.type == "sqlite":
            return None
        login = self.user + (f":{quote(self.password, safe='')}" if self.password else "")
        place = f"{_bracketed(self.host)}:{self.port}/{self.dbname}"
        return f"postgresql://{login}@{place}?sslmode={self.sslmode}"


class RedisDraft(_Draft):
    host: Host = "localhost"
    port: Port = 6379
    password: Password = ""
    db: Annotated[int, Field(strict=True, ge=0, le=15)] = 0
    enable_tls: bool = False

    @property
    def url(self) -> str:
        login = f":{quote(self.password, safe='')}@" if self.password else ""
        scheme = "rediss" if self.enable_tls else "redis"
        return f"{scheme}://{login}{_bracketed(self.host)}:{self.port}/{self.db}"


class AdminDraft(_Draft):
    email: Annotated[str, Field(min_length=3, max_length=255, pattern=r"^[^@\s]{1,64}@[^@\s]{1,190}$")]
    password: Annotated[str, Field(min_length=8, max_length=128)]


class ServerDraft(_Draft):
    host: Host = "127.0.0.1"
    port: Port = 8080
    mode: Literal["release", "debug"] = "release"


class InstallDraft(_Draft):
    database: DatabaseDraft = DatabaseDraft(type="sqlite")
    redis: RedisDraft | None = None
    admin: AdminDraft
    server: ServerDraft | None = None
    """Absent: where the set-up itself was reached."""


def configuration_of(draft: InstallDraft) -> dict[str, Any]:
    """The configuration file. The admin's password is not in it: the database knows its hash."""
    document: dict[str, Any] = {}
    if draft.database.url is not None:
        document["database"] = {"url": draft.database.url}
    if draft.redis is not None:
        document["redis"] = {"url": draft.redis.url}
    if draft.server is not None:
        document["server"] = draft.server.model_dump()
    return document


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
