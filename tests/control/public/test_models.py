"""What strangers may see of models and prices, and how the installation presents itself (spec 8.15)."""

import pytest

PIXEL = "data:image/png;base64,iVBORw0KGgo="


async def test_the_catalogue_is_closed_until_somebody_opens_it(control):
    refused = await control.nobody("GET", "/public/models")
    assert (refused.status, refused.json["reason"]) == (404, "PUBLIC_PAGE_CLOSED")
    assert (await control.nobody("GET", "/settings/public")).data["public_models_enabled"] is False
    await control.admin("PUT", "/admin/settings", {"public_models_enabled": True})
    assert (await control.nobody("GET", "/public/models")).status == 200
    assert (await control.nobody("GET", "/settings/public")).data["public_models_enabled"] is True


async def test_strangers_see_open_groups_at_the_groups_own_price(control):
    shared = await control.add_group("shared", rate_multiplier=2, description="for all")
    await control.add_group("members", is_exclusive=True)
    await control.add_account(
        "secret account",
        credentials={"api_key": "sk-ant-0123456789", "model_mapping": {"fast": "claude-sonnet-4-6"}},
        group_ids=[shared],
    )
    rates = {"entries": [{"user_id": control.anna.user_id, "rate_multiplier": 0.5}]}
    await control.admin("PUT", f"/admin/groups/{shared}/rate-multipliers", rates)
    await control.admin("PUT", "/admin/settings", {"public_models_enabled": True})
    answer = await control.nobody("GET", "/public/models")
    found = {one["group"]["name"]: one for one in answer.data["groups"]}
    assert "members" not in found
    assert set(found["shared"]["group"]) == {"id", "name", "description", "platform", "subscription_type"}
    (model,) = found["shared"]["models"]
    assert (model["model"], model["price"]["effective"]["input"]) == ("fast", 6)
    assert "secret account" not in str(answer.json)


async def test_branding_is_stored_and_public(control):
    wanted = {
        "site_logo": PIXEL, "site_subtitle": "One door", "contact_info": "mail us",
        "doc_url": "https://docs.example/x", "home_content": "# Hello <b>you</b>",
    }  # fmt: skip
    told = (await control.admin("PUT", "/admin/settings", wanted)).data
    assert {name: told[name] for name in wanted} == wanted
    public = (await control.nobody("GET", "/settings/public")).data
    assert {name: public[name] for name in wanted} == wanted
    cleared = (await control.admin("PUT", "/admin/settings", {"site_logo": "", "doc_url": ""})).data
    assert (cleared["site_logo"], cleared["doc_url"], cleared["site_subtitle"]) == ("", "", "One door")


@pytest.mark.parametrize(
    "bad",
    [
        {"site_logo": "https://tracker.example/logo.png"},
        {"site_logo": "data:text/html;base64,PGI+"},
        {"site_logo": "data:image/png;base64,!!"},
        {"doc_url": "javascript:alert(1)"},
        {"doc_url": "/docs"},
        {"home_content": "x" * 100_001},
    ],
)
async def test_bad_branding_is_refused(control, bad):
    assert (await control.admin("PUT", "/admin/settings", bad)).status == 400
