"""All tables. ORM rows never leave `storage/` and `control/` (HOUSE_STYLE 5)."""

from headgate.storage.models.attributes import UserAttributeDefinitionRow, UserAttributeValueRow
from headgate.storage.models.audit import AuditLogRow
from headgate.storage.models.base import Base
from headgate.storage.models.books import (
    ExchangeTraceRow,
    LedgerChainRow,
    LedgerEntryRow,
    UsageIntentRow,
    UsageRecordRow,
)
from headgate.storage.models.cleanup import UsageCleanupTaskRow
from headgate.storage.models.configuration import ConfigRevisionRow
from headgate.storage.models.error_rules import ErrorRuleRow
from headgate.storage.models.jobs import JobFilePartRow, JobItemRow, JobRow
from headgate.storage.models.mail import MailOutboxRow
from headgate.storage.models.notices import AnnouncementReadRow, AnnouncementRow
from headgate.storage.models.people import (
    ApiKeyRow,
    RetiredKeyRow,
    UserAllowedGroupRow,
    UserGroupMultiplierRow,
    UserRow,
)
from headgate.storage.models.quota_windows import AccountQuotaWindowRow
from headgate.storage.models.rollups import UsageHourRow
from headgate.storage.models.selling import PromoCodeRow, PromoCodeUsageRow, RedeemCodeRow, SubscriptionRow
from headgate.storage.models.sessions import (
    EmbedTicketRow,
    MailCodeRow,
    RecoveryCodeRow,
    RefreshTokenRow,
    UserIdentityRow,
)
from headgate.storage.models.supply import AccountGroupRow, AccountRow, GroupRow, ProxyRow
from headgate.storage.models.system import (
    DirectoryVersionRow,
    IdempotencyRecordRow,
    PriceBookRow,
    PriceOverrideRow,
    SecuritySecretRow,
    SettingRow,
)
from headgate.storage.models.tests import ScheduledTestPlanRow, ScheduledTestResultRow
from headgate.storage.models.webhooks import (
    WebhookDeliveryRow,
    WebhookEndpointRow,
    WebhookEventRow,
    WebhookNoticeRow,
)

__all__ = [
    "AccountGroupRow",
    "AccountQuotaWindowRow",
    "AccountRow",
    "AnnouncementReadRow",
    "AnnouncementRow",
    "ApiKeyRow",
    "AuditLogRow",
    "Base",
    "ConfigRevisionRow",
    "DirectoryVersionRow",
    "ErrorRuleRow",
    "EmbedTicketRow",
    "ExchangeTraceRow",
    "GroupRow",
    "IdempotencyRecordRow",
    "JobFilePartRow",
    "JobItemRow",
    "JobRow",
    "LedgerChainRow",
    "LedgerEntryRow",
    "MailCodeRow",
    "MailOutboxRow",
    "PriceBookRow",
    "PriceOverrideRow",
    "PromoCodeRow",
    "PromoCodeUsageRow",
    "ProxyRow",
    "RedeemCodeRow",
    "RecoveryCodeRow",
    "RefreshTokenRow",
    "RetiredKeyRow",
    "ScheduledTestPlanRow",
    "ScheduledTestResultRow",
    "SecuritySecretRow",
    "SettingRow",
    "SubscriptionRow",
    "UsageCleanupTaskRow",
    "UsageHourRow",
    "UsageIntentRow",
    "UsageRecordRow",
    "UserAllowedGroupRow",
    "UserAttributeDefinitionRow",
    "UserAttributeValueRow",
    "UserGroupMultiplierRow",
    "UserIdentityRow",
    "UserRow",
    "WebhookDeliveryRow",
    "WebhookEndpointRow",
    "WebhookEventRow",
    "WebhookNoticeRow",
]
