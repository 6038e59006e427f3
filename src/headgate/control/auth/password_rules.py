"""What a new password must be (spec 7.6; NIST SP 800-63B 3.1.1: length and a blocklist, no recipes). Pure."""

from headgate.errors import BadRequest

_COMMON = frozenset(
    "password password1 password12 password123 passw0rd p@ssw0rd 12345678 123456789 1234567890 11223344"
    " 87654321 qwertyui qwertyuiop qwerty12 qwerty123 1q2w3e4r 1qaz2wsx asdfghjk asdfghjkl zxcvbnm1"
    " iloveyou sunshine princess football baseball superman trustno1 letmein1 welcome1 welcome123"
    " admin123 admin1234 administrator changeme changeme1 abcd1234 abc12345 a1234567 aa123456 headgate"
    " 123456 1234567 qwerty abc123 123123 654321 admin1 letmein dragon monkey woaini1314 5201314".split()
)


def require_good_password(password: str, *, email: str, min_chars: int) -> None:
    """Raises PASSWORD_TOO_WEAK; the message never repeats the password. `email` is the owner's."""
    problem = _problem(password, email=email.lower(), min_chars=min_chars)
    if problem:
        raise BadRequest(f"the password {problem}; choose another", reason="PASSWORD_TOO_WEAK")


def _problem(password: str, *, email: str, min_chars: int) -> str:
    if len(password) < min_chars:
        return f"must have at least {min_chars} characters"
    folded = password.casefold()
    if folded in _COMMON:
        return "is among the first that are guessed"
    if len(set(folded)) < 3:
        return "repeats one or two characters"
    if folded in (email, email.partition("@")[0]):
        return "is the e-mail address"
    return ""
