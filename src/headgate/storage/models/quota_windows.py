"""The last word of providers about the quota windows of accounts: one row per open window."""

from sqlalchemy import BigInteger, Boolean, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from headgate.storage.models.base import Base
from headgate.storage.types import BigId


class AccountQuotaWindowRow(Base):
    __tablename__ = "account_quota_windows"

    account_id: Mapped[int] = mapped_column(
        BigId, ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True
    )
    window: Mapped[str] = mapped_column(String(20), primary_key=True)
    model: Mapped[str] = mapped_column(String(200), primary_key=True, default="")
    used_ppm: Mapped[int] = mapped_column(BigInteger)
    is_rejected: Mapped[bool] = mapped_column(Boolean, default=False)
    at_ms: Mapped[int] = mapped_column(BigInteger)
    resets_at_ms: Mapped[int] = mapped_column(BigInteger)
    length_ms: Mapped[int] = mapped_column(BigInteger)
