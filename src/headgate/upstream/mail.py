"""Handing mail to an SMTP server. Foreign exceptions end here, as `MailFailed`: a stable reason and the
server's status code, never its words (PAINS S12).

A password never travels in the clear: without TLS it is given to a server on this machine only.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from ipaddress import ip_address

import aiosmtplib

from headgate.errors import HeadgateError
from headgate.kit.secret import Secret
from headgate.settings import MailSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """Where mail is handed over, and as whom."""

    host: str
    port: int
    username: str = ""
    """Empty: the server asks nobody who it is."""
    password: Secret = Secret("")
    uses_tls: bool = False
    """TLS from the first byte (465); otherwise STARTTLS when the server offers it."""


class MailFailed(HeadgateError):
    """The server did not take it. `reason` is one of MAIL_UNREACHABLE, MAIL_TLS_FAILED, MAIL_INSECURE,
    MAIL_LOGIN_FAILED, MAIL_REFUSED, MAIL_TIMEOUT."""

    def __init__(self, reason: str, message: str, *, is_final: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.is_final = is_final
        """Whether trying again is pointless."""


async def deliver(server: MailServer, message: EmailMessage, settings: MailSettings) -> None:
    """Hand the message over. Raises `MailFailed`."""
    async with _connected(server, settings, own_name=_domain(message["From"])) as client:
        await client.send_message(message)


async def probe(server: MailServer, settings: MailSettings) -> None:
    """Connect, secure the connection, log in, and leave. Raises `MailFailed`."""
    async with _connected(server, settings, own_name="localhost"):
        return


@asynccontextmanager
async def _connected(
    server: MailServer, settings: MailSettings, *, own_name: str
) -> AsyncIterator[aiosmtplib.SMTP]:
    try:
        async with asyncio.timeout(settings.timeout_s):
            client = aiosmtplib.SMTP(
                hostname=server.host,
                port=server.port,
                use_tls=server.uses_tls,
                start_tls=False,
                local_hostname=own_name,
                tls_context=_tls(settings),
                timeout=settings.timeout_s,
            )
            try:
                await client.connect()
                await _introduce(client, server)
                yield client
                await client.quit()
            finally:
                client.close()
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise _explained(error, server) from None


async def _introduce(client: aiosmtplib.SMTP, server: MailServer) -> None:
    await client.ehlo()
    is_secure = server.uses_tls
    if not is_secure and client.supports_extension("starttls"):
        await client.starttls()
        is_secure = True
    if not server.username:
        return
    if not is_secure and not _is_this_machine(server.host):
        raise MailFailed(
            "MAIL_INSECURE",
            f"{server.host} offers no TLS: the password is not sent in the clear",
            is_final=True,
        )
    await client.login(server.username, server.password.reveal())


def _tls(settings: MailSettings) -> ssl.SSLContext:
    """TLS 1.2 at least, certificates checked (spec 7.2)."""
    context = ssl.create_default_context(cafile=settings.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _explained(error: Exception, server: MailServer) -> MailFailed:
    """Named by what an operator can do about it."""
    place = f"{server.host}:{server.port}"
    cause = error.__cause__ or error.__context__ or error
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        text = f"{place} refused user name and password ({error.code})"
        return MailFailed("MAIL_LOGIN_FAILED", text, is_final=error.code >= 500)
    if isinstance(error, ssl.SSLError) or isinstance(cause, ssl.SSLError):
        is_certificate = isinstance(cause, ssl.SSLCertVerificationError)
        what = "its certificate is not trusted (mail.ca_file)" if is_certificate else "TLS failed"
        return MailFailed("MAIL_TLS_FAILED", f"{place}: {what}", is_final=True)
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        code = error.recipients[0].code if error.recipients else 550
        return MailFailed("MAIL_REFUSED", f"{place} refused the recipient ({code})", is_final=code >= 500)
    if isinstance(error, TimeoutError):  # aiosmtplib's own timeouts are ones as well
        return MailFailed("MAIL_TIMEOUT", f"{place} did not answer in time", is_final=False)
    if isinstance(error, aiosmtplib.SMTPResponseException) and error.code > 0:
        return MailFailed(
            "MAIL_REFUSED", f"{place} refused the message ({error.code})", is_final=error.code >= 500
        )
    return MailFailed("MAIL_UNREACHABLE", f"{place} cannot be reached or speaks no SMTP", is_final=False)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _domain(sender: str) -> str:
    """How we introduce ourselves: by the domain that the mail is from."""
    return sender.rpartition("@")[2].strip(" >") or "localhost"
