import { ApiError, toApiError } from '@/api/errors'

export interface Totals {
  requests: number
  total_tokens: number
  actual_cost: number
}

interface Window {
  window: string
  limit: number
  used: number
  reset_at: string | null
}

/** `GET /v1/usage`, of which the management API's schema knows nothing. */
export interface KeyUsage {
  isValid: boolean
  status?: string
  planName?: string
  /** -1: without a limit. */
  remaining?: number
  quota?: { limit: number; used: number }
  rate_limits?: readonly Window[]
  subscription?: Readonly<Record<string, number | string | null>>
  expires_at?: string | null
  usage: { today: Totals; total: Totals; average_duration_ms: number }
  model_stats: readonly ({ model: string } & Totals)[]
}

export interface Limit {
  name: string
  used: number
  limit: number
  resetAt: string | null
}

/** The key goes in a header of this one call: into no address, no storage, no cookie. */
export async function readKeyUsage(key: string): Promise<KeyUsage> {
  const answer = await fetch('/v1/usage', {
    headers: { Authorization: `Bearer ${key}` },
    credentials: 'omit',
    cache: 'no-store',
  })
  const body: unknown = await answer.json().catch(() => undefined)
  if (answer.status === 401) throw new ApiError(401, 'KEY_INVALID', 'this key is not valid here')
  if (!answer.ok) throw toApiError(answer.status, (body as { error?: unknown } | undefined)?.error)
  return body as KeyUsage
}

/** Everything that has an end, of the key and of the subscription that pays for it. */
export function limitsOf(usage: KeyUsage): Limit[] {
  const quota = usage.quota ? [{ name: 'quota', used: usage.quota.used, limit: usage.quota.limit, resetAt: null }] : []
  const windows = (usage.rate_limits ?? []).map((found) => ({ name: found.window, used: found.used, limit: found.limit, resetAt: found.reset_at }))
  const paid = ['daily', 'weekly', 'monthly'].flatMap((name) => {
    const limit = usage.subscription?.[`${name}_limit_usd`]
    const used = usage.subscription?.[`${name}_usage_usd`]
    return typeof limit === 'number' && typeof used === 'number' ? [{ name, used, limit, resetAt: null }] : []
  })
  return [...quota, ...windows, ...paid]
}

/** Of the key, or of the subscription. */
export function endOf(usage: KeyUsage): string | null {
  const paid = usage.subscription?.expires_at
  return usage.expires_at ?? (typeof paid === 'string' ? paid : null)
}
