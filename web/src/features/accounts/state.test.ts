import { describe, expect, it } from 'vitest'

import { accountState, type Account } from './state'

const now = Date.parse('2026-01-01T00:00:00Z')
const account = (facts: Partial<Account>): Account => ({ status: 'active', schedulable: true, ...facts }) as Account

describe('accountState', () => {
  it('is active when nothing speaks against it', () => expect(accountState(account({}), now).status).toBe('active'))
  it('names the limit that lies ahead, and forgets one that is over', () => {
    const ahead = '2026-01-01T01:00:00Z'
    expect(accountState(account({ rate_limit_reset_at: ahead }), now)).toEqual({ status: 'limited', until: ahead })
    expect(accountState(account({ rate_limit_reset_at: '2025-12-31T00:00:00Z' }), now).status).toBe('active')
  })
  it('shows an error before anything else', () =>
    expect(accountState(account({ status: 'error', schedulable: false }), now).status).toBe('error'))
})
