import { describe, expect, it } from 'vitest'

import { chartSpan, dayOf, exportOf, filtersOf, isOneDay } from './filters'

describe('filtersOf', () => {
  it('leaves the page out and searches models', () =>
    expect(filtersOf({ page: '2', page_size: '25', search: 'opus', api_key_id: '4' }, 'UTC')).toEqual({ timezone: 'UTC', api_key_id: '4', model: 'opus' }))
  it('lets days win over a period', () =>
    expect(filtersOf({ period: 'week', start_date: '2026-01-01' }, 'UTC')).toEqual({ timezone: 'UTC', start_date: '2026-01-01' }))
})

describe('chartSpan', () => {
  const thursday = new Date(2026, 0, 15, 12)
  const span = (filters: Record<string, string>) => {
    const { start_date, end_date } = chartSpan(filters, thursday)
    return [start_date, end_date]
  }
  it('is thirty days unless something is said', () => expect(span({})).toEqual(['2025-12-17', '2026-01-15']))
  it('follows the period', () => {
    expect(span({ period: 'today' })).toEqual(['2026-01-15', '2026-01-15'])
    expect(span({ period: 'week' })).toEqual(['2026-01-12', '2026-01-15'])
    expect(span({ period: 'month' })).toEqual(['2026-01-01', '2026-01-15'])
  })
  it('follows the days', () => {
    expect(span({ start_date: '2026-01-02' })).toEqual(['2026-01-02', '2026-01-15'])
    expect(isOneDay(chartSpan({ end_date: '2026-01-03' }, thursday))).toBe(true)
  })
})

describe('exportOf', () => {
  const thursday = new Date(2026, 0, 15, 12)
  it('asks for the days of a period, and for numbers as numbers', () =>
    expect(exportOf({ timezone: 'UTC', period: 'month', user_id: '7', model: 'opus' }, thursday)).toEqual({ timezone: 'UTC', start_date: '2026-01-01', end_date: '2026-01-15', user_id: 7, model: 'opus' }))
  it('asks for everything without one', () => expect(exportOf({ timezone: 'UTC' }, thursday)).toEqual({ timezone: 'UTC' }))
})

it('reads days and nothing else', () => expect([dayOf('2026-01-02')?.getDate(), dayOf('2026-13-45'), dayOf('x'), dayOf(undefined)]).toEqual([2, null, null, null]))
