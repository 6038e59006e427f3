import { describe, expect, it } from 'vitest'

import { relative, times, usd } from './format'

describe('amounts that are not for the reader', () => {
  it('are a dash', () => {
    expect([usd(null), times(null), times(1.5)]).toEqual(['–', '–', '×1.5'])
  })
})

describe('usd', () => {
  it('shows cents of large amounts and more digits of small ones', () => {
    expect(usd(12.3456)).toBe('$12.35')
    expect(usd(0.0234)).toBe('$0.0234')
    expect(usd(0.000012)).toBe('$0.000012')
  })
  it('shows a debt as one', () => expect(usd(-3)).toBe('-$3.00'))
  it('tells nothing from zero', () => {
    expect(usd(null)).toBe('–')
    expect(usd(0)).toBe('$0.00')
  })
})

describe('relative', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  it('looks back and ahead', () => {
    expect(relative('2025-12-31T23:55:00Z', now)).toBe('5 minutes ago')
    expect(relative('2026-01-01T02:00:00Z', now)).toBe('in 2 hours')
  })
})
