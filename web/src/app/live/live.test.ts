import { QueryClient, type InvalidateQueryFilters, type Query } from '@tanstack/vue-query'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'

import { learnServerTime, serverNow, wrongByMinutes } from '@/shared/clock'

import { forgetLive, live } from './state'
import { backoffMs } from './stream'
import { forgetMarks, hear } from './telling'

const account = (facts: object) => ({
  id: 1, status: 'active', schedulable: true, concurrency: 5, rate_limit_reset_at: null, overload_until: null,
  temp_unschedulable_until: null, error_message: '', in_use: 0, waiting: 0, ...facts,
})
const row = { id: 1, name: 'a', status: 'active', schedulable: true, concurrency: 5, current_concurrency: 0, error_message: '' }
let queries: QueryClient
let stale: string[][]
const KEYS = ['usage', 'admin-usage', 'groups', 'abusage', 'jobs', 'job-items']

beforeEach(() => {
  vi.useFakeTimers()
  queries = new QueryClient()
  stale = []
  vi.spyOn(queries, 'invalidateQueries').mockImplementation((filter) => {
    const { predicate } = filter as InvalidateQueryFilters
    stale.push(KEYS.filter((key) => predicate?.({ queryKey: [key, 'list'] } as unknown as Query)))
    return Promise.resolve()
  })
})
afterEach(() => {
  forgetLive()
  forgetMarks()
  vi.useRealTimers()
})

describe('accounts', () => {
  it('show in every list that has them, and leave what did not change alone', () => {
    queries.setQueryData(['accounts', 'list', {}], { items: [row, { ...row, id: 2 }], total: 2 })
    hear(queries, 'accounts', { is_whole: true, changed: [account({ in_use: 3 })], gone: [] })
    const { items } = queries.getQueryData(['accounts', 'list', {}]) as { items: (typeof row)[] }
    expect(items.map((item) => item.current_concurrency)).toEqual([3, 0])
    expect(items[0]?.name).toBe('a')
    hear(queries, 'accounts', { is_whole: false, changed: [account({ in_use: 3 })], gone: [] })
    expect(queries.getQueryData<{ items: unknown }>(['accounts', 'list', {}])?.items).toBe(items)
  })
  it('that are gone are forgotten', () => {
    hear(queries, 'accounts', { is_whole: true, changed: [account({})], gone: [] })
    hear(queries, 'accounts', { is_whole: false, changed: [], gone: [1] })
    expect(live.accounts.size).toBe(0)
  })
})

describe('what is read again', () => {
  const me = { balance: 1, last_usage_ms: 5, in_use: 0, waiting: 0 }
  it('is nothing at the first telling', () => {
    hear(queries, 'me', me)
    hear(queries, 'directory', { version: 1 })
    vi.runAllTimers()
    expect(stale).toEqual([])
  })
  it('is usage when something was used, at once, and once more for all that comes meanwhile', () => {
    hear(queries, 'me', me)
    for (const last_usage_ms of [6, 7, 8]) hear(queries, 'me', { ...me, last_usage_ms })
    vi.runAllTimers()
    expect(stale).toEqual([['usage', 'admin-usage'], ['usage', 'admin-usage']])
  })
  it('is the configuration when it changed, also while nobody listened', () => {
    hear(queries, 'directory', { version: 1 })
    hear(queries, 'directory', { version: 2 })
    vi.runAllTimers()
    expect(stale).toEqual([['groups']])
  })
})

describe('jobs', () => {
  const job = { id: 7, kind: 'account_test', status: 'running', total: 120, done: 36, failed: 2, created_by: 1 }
  const shown = (): object[] => (queries.getQueryData(['jobs', 'list', {}]) as { items: object[] }).items
  it('move where they are shown, and are read again when one has begun or ended', () => {
    queries.setQueryData(['jobs', 'list', {}], { items: [{ ...job, done: 10, reason: '' }, { ...job, id: 6 }], total: 2 })
    hear(queries, 'jobs', { jobs: [job] })
    expect(shown()).toEqual([{ ...job, reason: '' }, { ...job, id: 6 }])
    vi.runAllTimers()
    expect(stale).toEqual([['jobs', 'job-items']])
    hear(queries, 'jobs', { jobs: [{ ...job, done: 40 }] })
    expect(stale[1]).toEqual(['job-items'])
    vi.runAllTimers()
    hear(queries, 'jobs', { jobs: [{ ...job, done: 40, status: 'succeeded' }] })
    expect(stale[2]).toEqual(['jobs'])
  })
  it('do not go back: what was told may be older than an answer', () => {
    queries.setQueryData(['jobs', 7], { ...job, status: 'canceled' })
    hear(queries, 'jobs', { jobs: [job] })
    expect(queries.getQueryData(['jobs', 7])).toEqual({ ...job, status: 'canceled' })
    queries.setQueryData(['jobs', 7], { ...job, done: 50 })
    hear(queries, 'jobs', { jobs: [job] })
    expect(queries.getQueryData(['jobs', 7])).toEqual({ ...job, done: 50 })
  })
})

describe('the clock', () => {
  it('of this computer does not matter once the gateway has said its time', () => {
    learnServerTime(Date.now() - 3_600_000)
    expect(Math.abs(serverNow() - (Date.now() - 3_600_000))).toBeLessThan(50)
    expect(wrongByMinutes.value).toBe(60)
    learnServerTime(Date.now() + 200)
    expect(wrongByMinutes.value).toBe(0)
    expect(serverNow()).toBe(Date.now())
  })
})

describe('backoffMs', () => {
  it('grows to half a minute, with jitter', () => {
    expect([1, 2, 3, 9].map((failures) => backoffMs(failures, 1))).toEqual([1000, 2000, 4000, 30_000])
    expect(backoffMs(9, 0)).toBe(9000)
  })
})
