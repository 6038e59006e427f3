"""A real SMTP server on a real port: aiosmtpd, with and without TLS and login."""

import asyncio
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

USER, PASSWORD = "headgate@mail.example", "smtp-password-7c1e"


@dataclass
class Mailbox:
    """What arrived. `refusals`: answers given in turn in place of taking the message."""

    letters: list[EmailMessage] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    were_secure: list[bool] = field(default_factory=list)
    port: int = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.refusals:
            return self.refusals.pop(0)
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.letters.append(message)
        self.were_secure.append(server.transport.get_extra_info("ssl_object") is not None)
        return "250 taken"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        given = (data.login.decode(), data.password.decode())
        self.logins.append(given)
        return AuthResult(success=given == (USER, PASSWORD), handled=False)

    def text(self, index: int = -1) -> str:
        body = self.letters[index].get_body(("plain",))
        assert body is not None
        return body.get_content().replace("\r\n", "\n")


@asynccontextmanager
async def mail_server(
    *, tls: ssl.SSLContext | None = None, implicit: bool = False, login: bool = False, port: int = 0
):
    """`tls`: offered by STARTTLS, or from the first byte when `implicit`. `port`: 0 takes a free one."""
    box = Mailbox()
    options: dict[str, Any] = {"hostname": "mail.test", "ident": "test"}
    if login:
        options |= {"authenticator": box.authenticate, "auth_require_tls": False, "auth_required": True}
    if tls is not None and not implicit:
        options["tls_context"] = tls

    def protocol() -> SMTP:
        with warnings.catch_warnings(action="ignore"):  # it warns of logins without TLS: we try those too
            return SMTP(box, **options)

    server = await asyncio.get_running_loop().create_server(
        protocol, "127.0.0.1", port, ssl=tls if implicit else None
    )
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()


@contextmanager
def running_mail_server(port: int = 0) -> Iterator[Mailbox]:
    """The same in a thread, for tests without a loop of their own."""
    started, loop, found = threading.Event(), asyncio.new_event_loop(), []
    ended = asyncio.Event()

    async def serve() -> None:
        async with mail_server(login=True, port=port) as box:
            found.append(box)
            started.set()
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    try:
        assert started.wait(10), "the mail server did not start"
        yield found[0]
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
        loop.close()


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for 127.0.0.1, and the certificate that a client has to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem, private = folder / "mail.pem", folder / "mail.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    return context, pem
