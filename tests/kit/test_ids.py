from headgate.kit.ids import IdFactory


def test_ids_are_unique_and_26_hex_digits() -> None:
    factory = IdFactory()
    ids = [factory.new() for _ in range(5000)]
    assert len(set(ids)) == 5000
    assert all(len(text) == 26 and set(text) <= set("0123456789abcdef") for text in ids)


def test_ids_of_two_factories_differ() -> None:
    one, other = IdFactory(), IdFactory()
    assert {one.new() for _ in range(100)}.isdisjoint({other.new() for _ in range(100)})


def test_ids_sort_by_time() -> None:
    factory = IdFactory()
    stamps = [int(factory.new()[:12], 16) for _ in range(200)]
    assert stamps == sorted(stamps)
