"""What a code may look like (spec 1.8, 11.2). Pure, but for the random part of new ones.

A code is printable ASCII, 3 to 128 characters, trimmed, and compared with its case kept. Everything else is
refused: look-alikes and differently composed letters would make two codes of what a person reads as one.
"""

import re
import secrets

from headgate.errors import BadRequest

MIN_CHARS, MAX_CHARS = 3, 128
_CODE = re.compile(r"[\x20-\x7e]{3,128}")


def checked_code(text: str) -> str:
    """The code without surrounding white space. Raises REDEEM_CODE_INVALID."""
    code = text.strip()
    if not _CODE.fullmatch(code):
        raise BadRequest(
            f"a code has {MIN_CHARS} to {MAX_CHARS} letters, digits or ASCII signs",
            reason="REDEEM_CODE_INVALID",
        )
    return code


def fresh_code() -> str:
    """32 hex digits, 128 random bits: not to be guessed, whatever the number of codes."""
    return secrets.token_hex(16)
