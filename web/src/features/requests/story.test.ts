import { describe, expect, it } from 'vitest'

import { evidenceOf, placed, terms, total, waterfall } from './story'

const attempt = (account_id: number, duration_ms: number, outcome = 'completed') => ({ account_id, account: `a${account_id}`, duration_ms, outcome, first_token_ms: null }) as never
const wait = (waited_for: string, waited_ms: number, result = 'SlotLease') => ({ waited_for, waited_ms, first_position: 1, result }) as never

describe('waterfall', () => {
  it('puts a wait before the attempt at the account that was waited for', () => {
    const bars = waterfall({ waits: [wait('user:1', 5), wait('account:2', 70)], attempts: [attempt(1, 40, 'failed'), attempt(2, 1200)] })
    expect(bars.map((bar) => [bar.kind, bar.start, bar.length])).toEqual([['wait', 0, 5], ['attempt', 5, 40], ['wait', 45, 70], ['attempt', 115, 1200]])
    expect(bars.map((bar) => bar.isGood)).toEqual([true, false, true, true])
    expect(total(bars)).toBe(1315)
  })
  it('shows a wait that ended without an attempt', () =>
    expect(waterfall({ waits: [wait('account:1', 30_000, 'QueueTimeout')], attempts: [] })).toMatchObject([{ kind: 'wait', isGood: false, length: 30_000 }]))
})

describe('placed', () => {
  it('stays inside the row, also for what took no time', () => {
    expect(placed({ start: 0, length: 50 } as never, 100)).toEqual({ left: '0%', width: '50%' })
    expect(placed({ start: 100, length: 0 } as never, 100)).toEqual({ left: '99.5%', width: '0.5%' })
    expect(placed({ start: 0, length: 0 } as never, 0)).toEqual({ left: '0%', width: '0.5%' })
  })
})

it('orders the terms of a score by weight', () => {
  expect(terms({ total: 2.5, priority: 1, load: -1.5 })).toEqual({ sum: 2.5, parts: [['load', -1.5], ['priority', 1]] })
  expect(terms(null)).toEqual({ sum: undefined, parts: [] })
})

it('says evidence in words: dollars, no empty facts, nothing that is told elsewhere', () =>
  expect(evidenceOf({ sticky: true, detail: 'overloaded', stickiness: { decision: 'stay', compared_with: null, slowness_nano: 42_209_000_000, queueing_nano: 0 } })).toBe('detail overloaded, stickiness: decision stay, slowness $42.21'))
