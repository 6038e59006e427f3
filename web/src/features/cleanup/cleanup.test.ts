import { expect, it } from 'vitest'

import { isUnderWay, rangeOf, restOf } from './cleanup'

it('says which days a task is about, and what else it was told', () => {
  const task = { filters: { start_date: '2026-11-01', end_date: '2026-11-03', timezone: 'UTC', user_id: 7, model: null } }
  expect(rangeOf(task)).toBe('2026-11-01 – 2026-11-03')
  expect(restOf(task)).toBe('user_id 7')
  expect(rangeOf({ filters: { start_date: '2026-11-01', end_date: '2026-11-01' } })).toBe('2026-11-01')
})

it('knows which states end by themselves', () => {
  expect(['pending', 'running', 'succeeded', 'failed', 'canceled'].filter(isUnderWay)).toEqual(['pending', 'running'])
})
