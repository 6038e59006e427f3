import { describe, expect, it } from 'vitest'

import { countdown, limitRows } from './limits'

const key = {
  id: 1, name: 'ci', status: 'active', quota: 10, quota_used: 2, rate_limit_5h: 4, usage_5h: 3, reset_5h_at: '2026-01-01T05:00:00Z',
  rate_limit_1d: 0, usage_1d: 9, reset_1d_at: null, rate_limit_7d: 0, usage_7d: 9, reset_7d_at: null,
}
const plan = {
  id: 7, group_id: 2, group_name: 'pro', expires_at: '2026-02-01T00:00:00Z', expires_in_days: 30, weekly: null, monthly: null,
  daily: { limit_usd: 5, used_usd: 6, remaining_usd: 0, percentage: 120, resets_at: '2026-01-02T00:00:00Z' },
}

describe('limitRows', () => {
  it('names what is limited, the fullest first', () =>
    expect(limitRows([key], [plan as never]).map((row) => [row.name, row.kind, row.share])).toEqual([['pro', 'daily', 1.2], ['ci', '5h', 0.75], ['ci', 'quota', 0.2]]))
  it('leaves out what has no limit, and keys that are switched off', () =>
    expect(limitRows([{ ...key, status: 'inactive' }, { ...key, id: 2, quota: 0, rate_limit_5h: 0 }], [])).toEqual([]))
})

describe('countdown', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  it.each([
    ['2026-01-03T03:00:00Z', '2 d 3 h'], ['2026-01-01T03:12:09Z', '3 h 12 min'], ['2026-01-01T00:12:05Z', '12 min 05 s'], ['2026-01-01T00:00:09Z', '9 s'],
    ['2025-12-31T23:59:59Z', ''],
  ])('to %s is %s', (until, shown) => expect(countdown(until, now)).toBe(shown))
  it('of nothing is nothing', () => expect([countdown(null, now), countdown('nonsense', now)]).toEqual(['', '']))
})
