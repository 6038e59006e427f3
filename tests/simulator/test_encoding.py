"""Content encodings decode to what was written, whatever the pieces, and flush at every piece."""

import zlib
from collections.abc import Callable

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.simulator.encoding import encoder_for

DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: zlib.decompress(data, wbits=31),
    "deflate": zlib.decompress,
    "br": brotli.decompress,
}


@pytest.mark.parametrize("name", sorted(DECODERS))
@given(pieces=st.lists(st.binary(max_size=200), max_size=5))
def test_any_pieces_decode_to_the_whole(name: str, pieces: list[bytes]) -> None:
    encoder = encoder_for(name, b"gzip, deflate, br, zstd")
    assert encoder is not None
    encoded = b"".join([encoder.encode(piece) for piece in pieces]) + encoder.finish()
    assert DECODERS[name](encoded) == b"".join(pieces)


def test_a_stored_zstd_frame_has_the_layout_of_rfc_8878() -> None:
    encoder = encoder_for("zstd", b"zstd")
    assert encoder is not None
    encoded = encoder.encode(b"abc") + encoder.finish()
    assert encoded == b"\x28\xb5\x2f\xfd\x00\x58" + b"\x18\x00\x00abc" + b"\x01\x00\x00"


def test_an_encoding_that_the_client_does_not_accept_is_not_used() -> None:
    assert encoder_for("br", b"gzip;q=1.0, deflate") is None
