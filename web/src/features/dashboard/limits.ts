import type { Schemas } from '@/api/client'

export interface LimitRow {
  id: string
  /** Of the key or the group that is limited. */
  name: string
  kind: 'quota' | '5h' | '1d' | '7d' | 'daily' | 'weekly' | 'monthly'
  used: number
  limit: number
  /** From 0; more than 1 where a limit was lowered below what is used. */
  share: number
  resetAt: string | null
}

const row = (id: string, name: string, kind: LimitRow['kind'], used: number | null, limit: number, resetAt: string | null): LimitRow =>
  ({ id: `${id}-${kind}`, name, kind, used: used ?? 0, limit, share: limit > 0 ? (used ?? 0) / limit : 1, resetAt })

type Key = Pick<Schemas['KeyView'], 'id' | 'name' | 'status' | 'quota' | 'quota_used' | 'rate_limit_5h' | 'rate_limit_1d' | 'rate_limit_7d' | 'usage_5h' | 'usage_1d' | 'usage_7d' | 'reset_5h_at' | 'reset_1d_at' | 'reset_7d_at'>
type Progress = Schemas['ProgressView']

/** Everything that money can run into, the fullest first. */
export function limitRows(keys: readonly Key[], subscriptions: readonly Progress[]): LimitRow[] {
  const ofKeys = keys.filter((key) => key.status !== 'inactive').flatMap((key) => [
    ...(key.quota !== null && key.quota > 0 ? [row(`key-${key.id}`, key.name, 'quota', key.quota_used, key.quota, null)] : []),
    ...(['5h', '1d', '7d'] as const).flatMap((window) => {
      const limit = key[`rate_limit_${window}`] ?? 0
      return limit > 0 ? [row(`key-${key.id}`, key.name, window, key[`usage_${window}`], limit, key[`reset_${window}_at`])] : []
    }),
  ])
  const ofSubscriptions = subscriptions.flatMap((item) =>
    (['daily', 'weekly', 'monthly'] as const).flatMap((window) => {
      const found = item[window]
      return found ? [row(`sub-${item.id}`, item.group_name, window, found.used_usd, found.limit_usd ?? 0, found.resets_at)] : []
    }),
  )
  return [...ofKeys, ...ofSubscriptions].sort((a, b) => b.share - a.share)
}

/** `2 d 3 h`, `3 h 12 min`, `12 min 05 s`, `9 s`: two units, so that it visibly runs. Empty when it is over. */
export function countdown(until: string | null, now: number): string {
  if (until === null) return ''
  const left = Math.ceil((Date.parse(until) - now) / 1000)
  if (!(left > 0)) return ''
  const [days, hours, minutes, seconds] = [Math.floor(left / 86_400), Math.floor(left / 3600) % 24, Math.floor(left / 60) % 60, left % 60]
  if (days > 0) return `${days} d ${hours} h`
  if (hours > 0) return `${hours} h ${minutes} min`
  return minutes > 0 ? `${minutes} min ${String(seconds).padStart(2, '0')} s` : `${seconds} s`
}
