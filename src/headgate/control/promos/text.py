"""What a promo code may look like (spec 1.9, 7.11). Pure, but for the random part of new ones.

People type it and links carry it: printable ASCII without spaces, at most 32 characters, compared in upper
case.
"""

import re
import secrets

from headgate.errors import BadRequest

MAX_CHARS = 32
_CODE = re.compile(r"[\x21-\x7e]{1,32}")


def checked_promo(text: str) -> str:
    """The code as it is stored. Raises PROMO_CODE_INVALID."""
    code = text.strip()
    if not _CODE.fullmatch(code):
        raise BadRequest(
            f"a promo code has 1 to {MAX_CHARS} letters, digits or ASCII signs", reason="PROMO_CODE_INVALID"
        )
    return code.upper()


def fresh_promo() -> str:
    """16 upper-case hex digits."""
    return secrets.token_hex(8).upper()
