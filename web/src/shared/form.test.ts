import { describe, expect, it } from 'vitest'

import { changes, fromLocal, given, toLocal } from './form'

describe('instants', () => {
  it('come back as they went, to the minute', () => expect(fromLocal(toLocal('2026-03-04T05:06:00.000Z'))).toBe('2026-03-04T05:06:00.000Z'))
  it('take seconds since 1970 as well', () => expect(fromLocal(toLocal(1_772_600_760))).toBe('2026-03-04T05:06:00.000Z'))
  it('are empty where there is none', () => {
    expect([toLocal(null), toLocal(''), toLocal('never')]).toEqual(['', '', ''])
    expect(fromLocal('')).toBeNull()
  })
})

it('sends what changed, and what was given', () => {
  expect(changes({ a: 1, b: [1] }, { a: 1, b: [2], c: null })).toEqual({ b: [2], c: null })
  expect(given({ a: '', b: null, c: 0, d: false })).toEqual({ c: 0, d: false })
})
