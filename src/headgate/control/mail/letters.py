"""What our letters say, in English and Chinese. Pure.

Texts are ours and fixed: operators give names and addresses, never templates (PAINS S7). Every value is
escaped where it becomes HTML, and no value can begin a header line.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from enum import StrEnum
from html import escape


class Kind(StrEnum):
    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - the name of a letter
    PROVE_YOURSELF = "prove_yourself"
    ALERT = "alert"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Wording:
    """`{site}`, `{minutes}`, `{title}` are filled in; a code, a link or lines are shown between the
    paragraphs."""

    subject: str
    before: Sequence[str]
    after: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    kind: Kind
    language: str = "en"
    """`en` or `zh`; anything else reads English."""
    code: str = ""
    link: str = ""
    minutes: int = 0
    title: str = ""
    lines: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    sender: str
    sender_name: str
    recipient: str
    site_name: str
    sent_at: datetime
    message_id: str


LANGUAGES = ("en", "zh")
_PLACE = re.compile(r"\{(?:site|minutes|title)\}")
_WORDS: Mapping[tuple[Kind, str], Wording] = {
    (Kind.VERIFY_EMAIL, "en"): Wording(
        "Your {site} code",
        ("Somebody, hopefully you, is signing up at {site} with this address. Enter this code:",),
        ("It is good for {minutes} minutes. If it was not you, ignore this mail: nothing happens.",),
    ),
    (Kind.VERIFY_EMAIL, "zh"): Wording(
        "{site} 验证码",
        ("有人（希望是您本人）正在用此邮箱注册 {site}。请输入以下验证码：",),
        ("验证码 {minutes} 分钟内有效。如非本人操作，请忽略此邮件，不会发生任何变化。",),
    ),
    (Kind.RESET_PASSWORD, "en"): Wording(
        "Reset your {site} password",
        ("Somebody, hopefully you, wants a new password for this address at {site}. Choose one here:",),
        (
            "The link works once, within {minutes} minutes. If it was not you, ignore this mail: the old"
            " password stays.",
        ),
    ),
    (Kind.RESET_PASSWORD, "zh"): Wording(
        "重置您的 {site} 密码",
        ("有人（希望是您本人）请求为此邮箱在 {site} 重置密码。请点击以下链接设置新密码：",),
        ("链接 {minutes} 分钟内有效，且只能使用一次。如非本人操作，请忽略此邮件，原密码保持不变。",),
    ),
    (Kind.PROVE_YOURSELF, "en"): Wording(
        "Your {site} code",
        ("Somebody, hopefully you, is changing how you sign in at {site}. Enter this code:",),
        (
            "It is good for {minutes} minutes. If it was not you, somebody uses your session: end all"
            " sessions, and give the code to nobody.",
        ),
    ),
    (Kind.PROVE_YOURSELF, "zh"): Wording(
        "{site} 验证码",
        ("有人（希望是您本人）正在更改您 {site} 账户的登录方式。请输入以下验证码：",),
        (
            "验证码 {minutes} 分钟内有效。如非本人操作，说明有人正在使用您的会话："
            "请结束所有会话，切勿将验证码告诉任何人。",
        ),
    ),
    (Kind.ALERT, "en"): Wording(
        "{title} ({site})", ("An alert of {site}: {title}",), ("You get this as an administrator of {site}.",)
    ),
    (Kind.ALERT, "zh"): Wording(
        "{title}（{site}）", ("{site} 告警：{title}",), ("您是 {site} 的管理员，因此收到此邮件。",)
    ),
    (Kind.TEST, "en"): Wording("Test mail from {site}", ("Mail from {site} arrives.",)),
    (Kind.TEST, "zh"): Wording("{site} 测试邮件", ("{site} 的邮件发送正常。",)),
}


def language_of(accept_language: str) -> str:
    """The first of ours that a browser asks for; English without one (RFC 9110 12.5.4, ranks by order)."""
    for part in accept_language[:200].split(","):
        tag = part.partition(";")[0].strip().lower().partition("-")[0]
        if tag in LANGUAGES:
            return tag
    return LANGUAGES[0]


def message_of(letter: Letter, envelope: Envelope) -> EmailMessage:
    """Plain text and HTML of one letter."""
    language = letter.language if letter.language in LANGUAGES else LANGUAGES[0]
    words = _WORDS[letter.kind, language]
    site = _one_line(envelope.site_name)
    values = {"{site}": site, "{minutes}": str(letter.minutes), "{title}": _one_line(letter.title)}

    def fill(text: str) -> str:
        return _PLACE.sub(lambda found: values[found[0]], text)

    message = EmailMessage()
    message["Subject"] = fill(words.subject)
    message["From"] = Address(_one_line(envelope.sender_name) or site, addr_spec=envelope.sender)
    message["To"] = Address(addr_spec=envelope.recipient)
    message["Date"] = format_datetime(envelope.sent_at)
    message["Message-ID"] = envelope.message_id
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
    before, after = [fill(text) for text in words.before], [fill(text) for text in words.after]
    shown = [text for text in (letter.code, letter.link, "\n".join(letter.lines)) if text]
    message.set_content("\n\n".join([*before, *shown, *after]) + "\n")
    message.add_alternative(_html(language, site, before, letter, after), subtype="html")
    return message


def _html(language: str, site: str, before: Sequence[str], letter: Letter, after: Sequence[str]) -> str:
    middle = ""
    if letter.code:
        middle += f'<p style="font-size:28px;letter-spacing:6px;font-weight:600">{escape(letter.code)}</p>'
    if letter.link:
        middle += f'<p><a href="{escape(letter.link)}">{escape(letter.link)}</a></p>'
    middle += "".join(f"<p>{escape(line)}</p>" for line in letter.lines)
    paragraphs = ["".join(f"<p>{escape(text)}</p>" for text in part) for part in (before, after)]
    return (
        f'<!doctype html><html lang="{language}"><body style="font-family:sans-serif;max-width:36em">'
        f"<h2>{escape(site)}</h2>{paragraphs[0]}{middle}{paragraphs[1]}</body></html>\n"
    )


def _one_line(text: str) -> str:
    return " ".join(text.split())
