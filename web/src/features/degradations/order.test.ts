import { expect, it } from 'vitest'

import { bySeverity } from './order'

it('puts first what refuses requests, then what is newest', () => {
  const item = (kind: string, since: string | null) => ({ kind, since, name: kind }) as never
  const sorted = bySeverity([
    item('account_cooling', '2026-01-01T00:00:00Z'), item('account_half_open', '2026-01-02T00:00:00Z'), item('group_without_account', null),
  ])
  expect(sorted.map((each) => each.kind)).toEqual(['group_without_account', 'account_half_open', 'account_cooling'])
})
