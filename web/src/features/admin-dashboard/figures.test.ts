import { describe, expect, it } from 'vitest'

import { accountStates, pointLabel, widths } from './figures'

const totals = (facts: object) => ({ total_accounts: 0, normal_accounts: 0, error_accounts: 0, ratelimit_accounts: 0, overload_accounts: 0, ...facts }) as never

describe('accountStates', () => {
  it('adds up to all accounts', () => {
    const shares = accountStates(totals({ total_accounts: 10, normal_accounts: 7, ratelimit_accounts: 2, error_accounts: 1 }))
    expect(shares.map((share) => [share.status, share.count])).toEqual([['active', 5], ['limited', 2], ['error', 1], ['paused', 2]])
    expect(shares.reduce((sum, share) => sum + share.count, 0)).toBe(10)
  })
  it('says nothing of states that no account has', () => expect(accountStates(totals({}))).toEqual([]))
  it('is never negative when a limited account is paused as well', () => {
    const shares = accountStates(totals({ total_accounts: 1, normal_accounts: 0, ratelimit_accounts: 1 }))
    expect(shares).toEqual([{ status: 'limited', count: 1 }])
  })
})

it('labels hours and days', () => {
  expect(pointLabel('2026-01-31 14:00', 'hour')).toBe('14:00')
  expect(pointLabel('2026-01-31', 'day')).toBe('01-31')
})

it('keeps small shares visible, and nothing at nothing', () => {
  expect(widths([200, 1, 0])).toEqual([100, 1.5, 0])
  expect(widths([])).toEqual([])
})
