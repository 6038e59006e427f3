import type { Schemas } from '@/api/client'
import { t } from '@/i18n'
import type { FormField, Values } from '@/shared/form'

import type { Account } from './state'

/** Kinds of credential: the provider, what it takes, and the field of the secret. */
export const KINDS = [
  { platform: 'anthropic', type: 'apikey', field: 'api_key', prefix: 'sk-ant-…' },
  { platform: 'anthropic', type: 'bearer', field: 'access_token', prefix: 'sk-ant-oat…' },
  { platform: 'openai', type: 'apikey', field: 'api_key', prefix: 'sk-…' },
  { platform: 'openai', type: 'bearer', field: 'access_token', prefix: '' },
  { platform: 'gemini', type: 'apikey', field: 'api_key', prefix: 'AIza…' },
  { platform: 'gemini', type: 'bearer', field: 'access_token', prefix: 'ya29.…' },
] as const
export type Kind = (typeof KINDS)[number]

export interface Choices {
  groups: readonly { id: number; name: string; platform: string }[]
  proxies: readonly { id: number; name: string }[]
}

/** Limits that live in `extra`; 0 is no limit. */
export const LIMITS = ['base_rpm', 'max_sessions', 'window_cost_limit', 'rpm_limit', 'tpm_limit', 'quota_limit', 'quota_daily_limit', 'quota_weekly_limit'] as const

const limit = (name: string): FormField => ({ name, kind: 'number', label: t(`manage.account.limit.${name}`) })

/** How an account is used; what is sent where, and what costs, is not an operator's. */
export function useFields(choices: Choices, platform: string | undefined, isAdmin: boolean): FormField[] {
  const groups = choices.groups.filter((group) => platform === undefined || group.platform === platform || choices.groups.every((each) => each.platform !== platform))
  return [
    { name: 'group_ids', kind: 'choices', options: groups.map((group) => ({ label: `${group.name} (${group.platform})`, value: group.id })) },
    { name: 'concurrency', kind: 'number' },
    { name: 'priority', kind: 'number', hint: t('manage.account.priorityHint') },
    { name: 'load_factor', kind: 'number', label: t('manage.account.loadFactor') },
    ...(isAdmin
      ? [
          { name: 'rate_multiplier', kind: 'number', hint: t('manage.account.multiplierHint') } as const,
          { name: 'proxy_id', kind: 'choice', label: t('common.nav.proxies'), options: [{ label: t('common.none'), value: 0 }, ...choices.proxies.map((proxy) => ({ label: proxy.name, value: proxy.id }))] } as const,
          ...LIMITS.map(limit),
        ]
      : []),
    { name: 'notes', kind: 'long' },
  ]
}

export function startOf(account: Account): Values {
  const extra = account.extra as Record<string, unknown>
  const quotas: Values = { quota_limit: account.quota_limit, quota_daily_limit: account.quota_daily_limit, quota_weekly_limit: account.quota_weekly_limit }
  const limits = Object.fromEntries(LIMITS.map((name) => [name, quotas[name] ?? extra[name] ?? null]))
  const credentials = account.credentials as Record<string, unknown>
  return {
    name: account.name, status: account.status, group_ids: account.group_ids, concurrency: account.concurrency, priority: account.priority,
    load_factor: account.load_factor, rate_multiplier: account.rate_multiplier, proxy_id: account.proxy_id ?? 0, notes: account.notes,
    base_url: credentials.base_url ?? '', model_mapping: mappingText(credentials.model_mapping), secret: '', ...limits,
  }
}

/** One `asked = sent` a line; a name alone is sent as it is. */
export function mappingText(mapping: unknown): string {
  if (typeof mapping !== 'object' || mapping === null) return ''
  return Object.entries(mapping).map(([from, to]) => (from === to ? from : `${from} = ${String(to)}`)).join('\n')
}

export function mappingOf(text: string): Record<string, string> {
  const lines = text.split('\n').map((line) => line.trim()).filter(Boolean)
  return Object.fromEntries(lines.map((line) => {
    const [from = '', to] = line.split('=').map((side) => side.trim())
    return [from, to || from]
  }))
}

const LIMIT_NAMES = new Set<string>(LIMITS)
const CREDENTIAL_NAMES = new Set(['secret', 'base_url', 'model_mapping'])

/** What changed, as the gateway takes it: limits inside `extra`, credentials as one. An empty secret stays. */
export function updateBody(account: Account, changed: Values): Schemas['AccountUpdate'] {
  const plain = Object.fromEntries(Object.entries(changed).filter(([name]) => !LIMIT_NAMES.has(name) && !CREDENTIAL_NAMES.has(name)))
  const limits = Object.entries(changed).filter(([name]) => LIMIT_NAMES.has(name)).map(([name, value]) => [name, value ?? 0])
  const credentials = Object.keys(changed).some((name) => CREDENTIAL_NAMES.has(name)) ? credentialsOf(account.type, changed, account.credentials as Values) : undefined
  return {
    ...plain,
    ...(limits.length ? { extra: { ...account.extra, ...Object.fromEntries(limits) } } : {}),
    ...(credentials ? { credentials } : {}),
  } as Schemas['AccountUpdate']
}

export function credentialsOf(type: string, values: Values, present: Values = {}): Values {
  const field = type === 'bearer' ? 'access_token' : 'api_key'
  const mapping = typeof values.model_mapping === 'string' ? { model_mapping: mappingOf(values.model_mapping) } : {}
  const address = typeof values.base_url === 'string' ? { base_url: values.base_url.trim() } : {}
  const all = { ...present, ...address, ...mapping, ...(values.secret ? { [field]: values.secret } : {}) }
  return Object.fromEntries(Object.entries(all).filter(([name, value]) => !(name === 'base_url' && value === '')))
}
