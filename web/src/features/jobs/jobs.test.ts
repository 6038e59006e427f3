import { expect, it } from 'vitest'

import { hasFile, mayCancel, piecesOf, tookMs } from './jobs'

it('lets whoever began a job cancel it, and administrators any, while it is open', () => {
  const job = { status: 'running', created_by: 7 } as const
  expect([mayCancel(job, 7, false), mayCancel(job, 8, false), mayCancel(job, 8, true)]).toEqual([true, false, true])
  expect(mayCancel({ ...job, status: 'succeeded' }, 7, true)).toBe(false)
  expect(mayCancel({ status: 'running', created_by: null }, undefined, false)).toBe(false)
})

it('tells what went well, what did not and what was never done', () => {
  expect(piecesOf({ status: 'running', total: 120, done: 36, failed: 2 })).toEqual({ well: 34, failed: 2, left: 0 })
  expect(piecesOf({ status: 'canceled', total: 120, done: 40, failed: 0 })).toEqual({ well: 40, failed: 0, left: 80 })
  expect(piecesOf({ status: 'succeeded', total: 10, done: 12, failed: 0 }).left).toBe(0) // records came meanwhile
})

it('offers a file for a day after the end', () => {
  const job = { status: 'succeeded', file_name: 'usage.csv', done: 5, finished_at: '2026-11-30T08:00:00Z' } as const
  const end = Date.parse(job.finished_at)
  expect([hasFile(job, end), hasFile(job, end + 25 * 3_600_000)]).toEqual([true, false])
  expect(hasFile({ ...job, finished_at: null }, end)).toBe(true) // the live event has no time
  expect(hasFile({ ...job, status: 'running', finished_at: null }, end)).toBe(false)
  expect(hasFile({ ...job, status: 'canceled', done: 0 }, end)).toBe(false)
  expect(hasFile({ ...job, file_name: '' }, end)).toBe(false)
})

it('counts the time from the first step', () => {
  const at = Date.parse('2026-11-30T08:00:05Z')
  expect(tookMs({ started_at: '2026-11-30T08:00:00Z', finished_at: null }, at)).toBe(5_000)
  expect(tookMs({ started_at: '2026-11-30T08:00:00Z', finished_at: '2026-11-30T08:00:02Z' }, at)).toBe(2_000)
  expect(tookMs({ started_at: null, finished_at: null }, at)).toBeUndefined()
})
