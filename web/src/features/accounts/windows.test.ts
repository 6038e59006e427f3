import { describe, expect, it } from 'vitest'

import { fill, heldBack, projected, tone, windowsOf } from './windows'

const window = (facts: object) => ({ utilization: 10, remaining_seconds: 7200, model: '', forecast: { outlook: 'lasts', burn_percent_per_hour: 5 }, ...facts }) as never

it('lists the windows that the provider told of, those of models by name', () => {
  const usage = { five_hour: window({}), seven_day: null, seven_day_opus: null, seven_day_sonnet: null, model_windows: [window({ model: 'gemini-2.5-pro' })] } as never
  expect(windowsOf(usage).map((each) => each.name)).toEqual(['five_hour', 'gemini-2.5-pro'])
  expect(windowsOf(undefined)).toEqual([])
})

describe('tone', () => {
  it('is bad when used up or bound to be', () => {
    expect(tone(window({ utilization: 100 }))).toBe('bad')
    expect(tone(window({ forecast: { outlook: 'will_exhaust' } }))).toBe('bad')
  })
  it('warns when it is not sure, or nearly used up', () => {
    expect(tone(window({ forecast: { outlook: 'may_exhaust' } }))).toBe('warn')
    expect(tone(window({ utilization: 80 }))).toBe('warn')
    expect(tone(window({}))).toBe('good')
  })
})

it('projects to the reset, and never past the whole', () => {
  expect(projected(window({}))).toBe(20)
  expect(projected(window({ utilization: 95 }))).toBe(100)
})

it('fills nothing where there is no limit', () => {
  expect(fill(3, 0)).toBe(0)
  expect(fill(3, 4)).toBe(75)
  expect(fill(9, 4)).toBe(100)
})

it('says which window holds a priority back, by the name of its card', () => {
  const long_job = { minutes: 30, safe: 'no', reason: '' } as const
  const classes = [
    { priority: 'normal', is_admitted: true, held_back_by: null, until: null, long_job },
    { priority: 'background', is_admitted: false, held_back_by: '5h', until: '2026-11-29T22:00:00Z', long_job },
  ] as const
  expect(heldBack({ priorities: [...classes] }).map((one) => [one.priority, one.window])).toEqual([['normal', ''], ['background', 'five_hour']])
  expect(heldBack(undefined)).toEqual([])
})
