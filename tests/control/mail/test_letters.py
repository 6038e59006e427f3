"""What letters say, in both languages, whatever is put into them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from headgate.control.mail.letters import LANGUAGES, Envelope, Kind, Letter, language_of, message_of

LINK = "https://x.example/r?a=1&b=2"


def envelope(**fields):
    given: dict[str, Any] = {
        "sender": "no-reply@site.example", "sender_name": "", "recipient": "anna@example.com",
        "site_name": "Site", "sent_at": datetime(2026, 1, 1, tzinfo=UTC), "message_id": "<1@site.example>",
    }  # fmt: skip
    return Envelope(**given | fields)


def parts(message):
    return [message.get_body((kind,)).get_content() for kind in ("plain", "html")]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", list(Kind))
def test_every_letter_exists_in_every_language_with_its_content(kind, language):
    letter = Letter(kind=kind, language=language, code="123456", link=LINK, minutes=15)
    message = message_of(letter, envelope())
    text, html = parts(message)
    assert "123456" in text
    assert "123456" in html
    assert LINK in text
    assert 'href="https://x.example/r?a=1&amp;b=2"' in html
    assert "{" not in text + message["Subject"]
    assert ("您" in text or "邮件" in text) == (language == "zh")


def test_a_site_name_is_text_in_html_and_one_line_in_headers():
    message = message_of(Letter(kind=Kind.TEST), envelope(site_name="<b>A & B</b>\r\nBcc: x@y.example"))
    assert message["Bcc"] is None
    assert "\n" not in message["Subject"]
    assert "&lt;b&gt;A &amp; B&lt;/b&gt;" in parts(message)[1]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("fr, en;q=0.5, zh", "en"),
        ("de", "en"),
        ("ZH-tw", "zh"),
    ],
)
def test_the_language_is_the_first_of_ours_that_the_browser_names(header, language):
    assert language_of(header) == language
