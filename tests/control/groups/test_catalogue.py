"""The model catalogue: what a user can call, and at which price (spec 7.12)."""


def mapped(group, **mapping):
    credentials = {"api_key": "sk-ant-0123456789", "model_mapping": mapping}
    return {"credentials": credentials, "group_ids": [group]}


async def catalogue_of(caller):
    return {one["group"]["name"]: one for one in (await caller("GET", "/groups/models")).data["groups"]}


async def test_a_user_sees_the_models_of_its_groups_at_its_own_price(control):
    shared = await control.add_group("shared", rate_multiplier=2, image_price_2k=0.2)
    await control.add_group("members", is_exclusive=True)
    await control.add_account(
        "a", **mapped(shared, **{"fast": "claude-haiku-4-5-20251001", "odd": "nobody-knows"})
    )
    await control.add_account(
        "b", **mapped(shared, **{"fast": "claude-sonnet-4-6", "claude-sonnet-4-6*": "x"})
    )
    off = await control.add_account("off", **mapped(shared, hidden="claude-sonnet-4-6"))
    await control.admin("PUT", f"/admin/accounts/{off}", {"status": "inactive"})
    rates = {"entries": [{"user_id": control.anna.user_id, "rate_multiplier": 0.5}]}
    await control.admin("PUT", f"/admin/groups/{shared}/rate-multipliers", rates)

    anna, ben = await catalogue_of(control.anna), await catalogue_of(control.ben)
    assert (set(anna), anna["shared"]["rate_multiplier"], ben["shared"]["rate_multiplier"]) == (
        {"shared"},
        0.5,
        2,
    )
    models = {one["model"]: one["price"] for one in anna["shared"]["models"]}
    assert (sorted(models), anna["shared"]["model_count"]) == (["claude-sonnet-4-6", "fast", "odd"], 3)
    sonnet, fast = models["claude-sonnet-4-6"], models["fast"]
    assert (sonnet["list"]["input"], sonnet["effective"]["input"], sonnet["effective"]["output"]) == (
        3,
        1.5,
        7.5,
    )
    assert (sonnet["depends_on_account"], sonnet["is_default"], sonnet["picture"]) == (False, False, None)
    assert (fast["depends_on_account"], fast["effective"]) == (True, sonnet["effective"])
    assert (models["odd"]["is_default"], models["odd"]["effective"]["output"]) == (True, 25)
    assert {m["model"]: m["price"] for m in ben["shared"]["models"]}["odd"]["effective"]["output"] == 100


async def test_refused_prices_are_null_and_a_group_without_accounts_offers_nothing(control):
    group = await control.add_group("strict", unknown_price="refuse")
    assert (await catalogue_of(control.anna))["strict"]["models"] == []
    await control.add_account("a", **mapped(group, odd="nobody-knows"))
    assert (await catalogue_of(control.anna))["strict"]["models"] == [{"model": "odd", "price": None}]


async def test_pictures_cost_what_the_group_says(control):
    group = await control.add_group("draws", platform="gemini", image_price_2k=0.2, rate_multiplier=0.5)
    await control.add_account("g", platform="gemini", credentials={"api_key": "k" * 20}, group_ids=[group])
    models = {one["model"]: one["price"] for one in (await catalogue_of(control.anna))["draws"]["models"]}
    drawing = models["gemini-2.5-flash-image"]
    assert (drawing["picture"], drawing["picture_output"]) == ({"2K": 0.1}, 15)
    pro = models["gemini-2.5-pro"]
    assert (pro["long_context"][0]["above_tokens"], pro["picture"]) == (200_000, None)
