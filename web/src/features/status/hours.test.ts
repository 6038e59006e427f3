import { expect, it } from 'vitest'

import { levelOf, uptime } from './hours'

it('tells quiet hours from bad ones', () => expect([null, 1, 0.95, 0.5, 0].map(levelOf)).toEqual(['none', 'good', 'some', 'poor', 'poor']))
it('averages what was asked', () => {
  expect(uptime([{ at: '', answered_share: 1 }, { at: '', answered_share: null }, { at: '', answered_share: 0.5 }])).toBe(0.75)
  expect(uptime([{ at: '', answered_share: null }])).toBeNull()
})
