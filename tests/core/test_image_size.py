"""A picture's size under the three names that prices know."""

import pytest

from headgate.core.usage import image_size


@pytest.mark.parametrize(
    ("said", "size"),
    [
        ("1K", "1K"), ("2k", "2K"), ("4K", "4K"), ("1024x1024", "1K"), ("512x512", "1K"),
        ("1024x1536", "2K"), ("1792x1024", "2K"), ("2048x2048", "2K"), ("4096x2160", "4K"), ("auto", None),
        ("", None), (None, None), ("8K", None), ("1024x", None), ("99999999x1", None), ("-1x5", None),
    ],
)  # fmt: skip
def test_sizes(said: str | None, size: str | None) -> None:
    assert image_size(said) == size
