import { expect, it } from 'vitest'

import { renewalDelay } from './renewal'

const now = Date.parse('2026-01-01T00:00:00Z')
it('waits until the ticket is over', () => expect(renewalDelay('2026-01-01T00:05:00Z', now)).toBe(300_000))
it('never waits backwards or longer than a timer can', () =>
  expect([renewalDelay('2025-01-01T00:00:00Z', now), renewalDelay('2099-01-01T00:00:00Z', now), renewalDelay('?', now)]).toEqual([0, 2 ** 31 - 1, 2 ** 31 - 1]))
