"""Which sites our pages may show inside themselves (spec 9.3: `frame-src` follows the settings)."""

from typing import Any

import pytest

from headgate.control.embed.framing import MAX_AGE_S, FrameOrigins, origins_of
from headgate.control.embed.pages import MenuItem, PagesView
from headgate.storage.journal import StorageUnavailable

SHOP = {
    "purchase_subscription_enabled": True,
    "purchase_subscription_url": "https://shop.example.com/buy?a=1",
}
ITEMS = {
    "custom_menu_items": [
        {"id": "docs", "label": "Docs", "url": "https://docs.example.com:443/a", "visibility": "user"},
        {"id": "ops", "label": "Ops", "url": "http://ops.example.com:8080", "visibility": "admin"},
        {"id": "six", "label": "Six", "url": "https://[2001:db8::1]/x"},
        {"id": "twin", "label": "Twin", "url": "https://docs.example.com/b"},
    ]
}


async def test_the_sites_follow_the_settings_within_seconds(control: Any) -> None:
    frames = FrameOrigins(control.deps.uow, control.clock)
    assert await frames.read() == []
    await control.admin("PUT", "/admin/settings", SHOP | ITEMS)
    assert await frames.read() == []
    control.clock.advance(MAX_AGE_S)
    shown = ["http://ops.example.com:8080", "https://[2001:db8::1]", "https://docs.example.com"]
    assert await frames.read() == [*shown, "https://shop.example.com"]
    await control.admin("PUT", "/admin/settings", {"purchase_subscription_enabled": False})
    control.clock.advance(MAX_AGE_S)
    assert await frames.read() == shown


async def test_while_the_database_is_away_what_was_known_goes_on(control: Any) -> None:
    def broken() -> Any:
        raise StorageUnavailable

    await control.admin("PUT", "/admin/settings", SHOP)
    frames = FrameOrigins(control.deps.uow, control.clock)
    known = await frames.read()
    frames._uow = broken
    control.clock.advance(MAX_AGE_S)
    assert await frames.read() == known == ["https://shop.example.com"]


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.com;script-src",
        "https://shop.example.com,evil.example",
        "https://'self'",
        "https://*",
        "https://*.example.com",
        'https://a"b.example',
        "https://shop.example.com;",
    ],
)
async def test_no_address_can_write_into_the_policy(control: Any, url: str) -> None:
    for change in (
        {"purchase_subscription_url": url},
        {"custom_menu_items": [{"id": "a", "label": "x", "url": url}]},
    ):
        assert (await control.admin("PUT", "/admin/settings", change)).status == 400
    stored = PagesView(
        purchase_subscription_enabled=True,
        purchase_subscription_url=url,
        custom_menu_items=[MenuItem(id="a", label="x", url=url)],
    )
    assert origins_of(stored) == []
