"""Names of what bounds a key's spending."""

WINDOWS = ("5h", "1d", "7d")


def key_bounds(key_id: int) -> list[str]:
    """Names of the spending bounds of a key in the reservation store."""
    return [f"key:{key_id}:quota", *(f"key:{key_id}:{window}" for window in WINDOWS)]
