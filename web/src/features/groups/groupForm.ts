import type { Schemas } from '@/api/client'
import { t } from '@/i18n'
import type { FormField, Values } from '@/shared/form'

export type Group = Schemas['AdminGroupView']
export interface Neighbours {
  groups: readonly { id: number; name: string; platform: string }[]
  proxies: readonly { id: number; name: string }[]
}

/** A change that leaves them out clears them: they are sent with every change. */
const CLEARED_WHEN_ABSENT = ['daily_limit_usd', 'weekly_limit_usd', 'monthly_limit_usd', 'image_price_1k', 'image_price_2k', 'image_price_4k'] as const
const OPTIONAL_IDS = ['fallback_group_id', 'fallback_group_id_on_invalid_request', 'default_proxy_id'] as const

const field = (name: string, kind?: FormField['kind'], more: Partial<FormField> = {}): FormField => ({ name, kind, label: t(`manage.group.field.${name}`), ...more })
const choice = (name: string, ...values: readonly string[]): FormField => field(name, 'choice', { options: values.map((value) => ({ value, label: t(`manage.group.choice.${value}`) })) })

/** Every field of a group but routing, shares and personal multipliers, which have editors of their own. */
export function groupFields(group: Group | undefined, neighbours: Neighbours): FormField[] {
  const none = { label: t('common.none'), value: 0 }
  const others = [none, ...neighbours.groups.filter((other) => other.id !== group?.id).map((other) => ({ label: `${other.name} (${other.platform})`, value: other.id }))]
  const proxies = [none, ...neighbours.proxies.map((proxy) => ({ label: proxy.name, value: proxy.id }))]
  const section = (name: string): Partial<FormField> => ({ section: t(`manage.group.section.${name}`) })
  const platforms = ['anthropic', 'openai', 'gemini'].map((value) => ({ label: value, value }))
  return [
    field('name', 'text', { required: true }),
    group ? choice('status', 'active', 'inactive') : field('platform', 'choice', { options: platforms }),
    field('description', 'long'),
    field('is_exclusive', 'switch', { hint: t('manage.group.hint.is_exclusive') }),
    field('sort_order', 'number'),
    choice('subscription_type', 'standard', 'subscription'),
    { ...field('rate_multiplier', 'number', { hint: t('manage.group.hint.rate_multiplier') }), ...section('price') },
    choice('quota_basis', 'charge', 'list_cost'),
    choice('unknown_price', 'inherit', 'refuse', 'default'),
    field('image_price_1k', 'number'), field('image_price_2k', 'number'), field('image_price_4k', 'number'),
    { ...field('daily_limit_usd', 'number', { hint: t('manage.group.hint.limits') }), ...section('limits') },
    field('weekly_limit_usd', 'number'), field('monthly_limit_usd', 'number'), field('default_validity_days', 'number'),
    field('rpm_limit', 'number'), field('tpm_limit', 'number'),
    choice('overrun_policy', 'strict', 'overdraft'), field('overdraft_limit_usd', 'number', { hint: t('manage.group.hint.overdraft') }),
    { ...choice('scheduling_policy', 'layered', 'scored'), ...section('accounts') },
    choice('disconnect_policy', 'drain', 'cancel'),
    field('default_proxy_id', 'choice', { options: proxies }),
    field('copy_accounts_from_group_ids', 'choices', { options: others.slice(1), hint: group ? t('manage.group.hint.copyReplaces') : t('manage.group.hint.copyAdds') }),
    { ...field('claude_code_only', 'switch', { hint: t('manage.group.hint.claude_code_only') }), ...section('clients') },
    field('fallback_group_id', 'choice', { options: others }),
    field('fallback_group_id_on_invalid_request', 'choice', { options: others }),
    field('allow_messages_dispatch', 'switch', { hint: t('manage.group.hint.allow_messages_dispatch') }),
    field('default_mapped_model', 'text'),
    field('supported_model_scopes', 'lines'),
  ]
}

export function startOf(group: Group | undefined): Values {
  if (!group) return { platform: 'anthropic', subscription_type: 'standard', rate_multiplier: 1, is_exclusive: false }
  const ids = Object.fromEntries(OPTIONAL_IDS.map((name) => [name, group[name] ?? 0]))
  return { ...group, ...ids, copy_accounts_from_group_ids: [] }
}

/** What changed, and beside it what a change without it would clear. */
export function updateBody(group: Group, changed: Values): Schemas['GroupUpdate'] {
  const kept = Object.fromEntries(CLEARED_WHEN_ABSENT.map((name) => [name, group[name]]))
  return { ...kept, ...changed } as Schemas['GroupUpdate']
}

export interface Route {
  pattern: string
  accounts: number[]
}

export const routesOf = (routing: Group['model_routing']): Route[] => Object.entries(routing).map(([pattern, accounts]) => ({ pattern, accounts: [...accounts] }))

/** The routing to store, or why it cannot be. */
export function routingOf(routes: readonly Route[]): Record<string, number[]> | 'twice' | 'empty' | 'star' {
  const patterns = routes.map((route) => route.pattern.trim())
  if (patterns.some((pattern) => pattern === '') || routes.some((route) => route.accounts.length === 0)) return 'empty'
  if (patterns.some((pattern) => pattern.slice(0, -1).includes('*'))) return 'star'
  if (new Set(patterns).size !== patterns.length) return 'twice'
  return Object.fromEntries(routes.map((route, index) => [patterns[index], route.accounts]))
}
