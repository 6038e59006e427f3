import { afterEach, expect, it, vi } from 'vitest'

import { endOf, limitsOf, readKeyUsage, type KeyUsage } from './keyUsage'

afterEach(() => vi.unstubAllGlobals())
const NONE = { requests: 0, total_tokens: 0, actual_cost: 0 }
const BASE: KeyUsage = { isValid: true, usage: { today: NONE, total: NONE, average_duration_ms: 0 }, model_stats: [] }

it('sends the key in a header and never in an address, without cookies', async () => {
  const asked = vi.fn((_url: string, _options: RequestInit) => Promise.resolve(Response.json(BASE)))
  vi.stubGlobal('fetch', asked)
  expect(await readKeyUsage('sk-abc')).toEqual(BASE)
  const [url, options] = asked.mock.calls[0] ?? []
  expect(url).toBe('/v1/usage')
  expect(options).toMatchObject({ credentials: 'omit', headers: { Authorization: 'Bearer sk-abc' } })
})

it('says what the gateway says about a key that it refuses', async () => {
  const refusal = { type: 'error', error: { type: 'permission_error', message: 'not from this address' } }
  vi.stubGlobal('fetch', () => Promise.resolve(Response.json(refusal, { status: 403 })))
  await expect(readKeyUsage('sk-x')).rejects.toMatchObject({ status: 403, message: 'not from this address' })
})

it('lists the limits of a key and of its subscription, without those that are none', () => {
  const window = { window: '5h', limit: 2, used: 1, reset_at: '2026-01-01T00:00:00Z' }
  const limits = limitsOf({ ...BASE, quota: { limit: 10, used: 3 }, rate_limits: [window] })
  expect(limits.map((limit) => [limit.name, limit.used, limit.limit])).toEqual([['quota', 3, 10], ['5h', 1, 2]])
  const subscription = { daily_limit_usd: 5, daily_usage_usd: 4, weekly_limit_usd: null, weekly_usage_usd: 4, expires_at: '2026-02-01T00:00:00Z' }
  expect(limitsOf({ ...BASE, subscription })).toEqual([{ name: 'daily', used: 4, limit: 5, resetAt: null }])
  expect(endOf({ ...BASE, subscription })).toBe('2026-02-01T00:00:00Z')
})
