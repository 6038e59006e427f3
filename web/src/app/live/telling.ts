import type { QueryClient } from '@tanstack/vue-query'

import { user } from '@/app/session'
import { learnServerTime } from '@/shared/clock'

import { newsOfJobs, withJobs } from './jobs'
import { live, type LiveAccount, type LiveCounters, type LiveJob, type LiveMe, type LiveQueue } from './state'

/** First words of query keys (`admin-usage` is a `usage` too) that are read again when something happened: open pages at once, the rest when they open. */
export const STALE_AFTER = {
  usage: ['usage', 'dashboard', 'keys', 'subscriptions', 'requests'],
  directory: [
    'accounts', 'groups', 'keys', 'users', 'prices', 'proxies', 'subscriptions', 'settings', 'models', 'catalogue', 'error-rules',
    'announcements',
  ],
  jobs: ['jobs', 'job-items'],
} as const

const PAUSE_MS = 1_500
const waiting = new Set<string>()
let timer: ReturnType<typeof setTimeout> | undefined

/** At once, and then together and not more often than every 1.5 s: a busy gateway must not make its pages busy. */
export function makeStale(queries: QueryClient, names: readonly string[]): void {
  for (const name of names) waiting.add(name)
  if (timer === undefined) readAgain(queries)
}

function readAgain(queries: QueryClient): void {
  timer = undefined
  if (waiting.size === 0) return
  const now = [...waiting]
  waiting.clear()
  timer = setTimeout(() => readAgain(queries), PAUSE_MS)
  void queries.invalidateQueries({ predicate: ({ queryKey: [first] }) => now.some((name) => isOf(String(first), name)) })
}

const isOf = (first: string, name: string): boolean => first === name || first.endsWith(`-${name}`)

let version: number | undefined
let ownUsage: number | undefined
let allUsage: number | undefined

export function forgetMarks(): void {
  version = ownUsage = allUsage = undefined
}

/** Take in one event. `is*` changes are compared with what was told before, so that the first telling reads nothing again. */
export function hear(queries: QueryClient, name: string, data: unknown): void {
  if (name === 'hello' || name === 'beat') return learnServerTime((data as { server_time_ms: number }).server_time_ms)
  if (name === 'me') return hearMe(queries, data as LiveMe)
  if (name === 'queue') live.queue = data as LiveQueue
  else if (name === 'counters') hearCounters(queries, data as LiveCounters)
  else if (name === 'accounts') hearAccounts(queries, data as AccountsTold)
  else if (name === 'jobs') hearJobs(queries, (data as { jobs: LiveJob[] }).jobs)
  else if (name === 'directory') {
    const now = (data as { version: number }).version
    if (version !== undefined && version !== now) makeStale(queries, STALE_AFTER.directory)
    version = now
  }
}

function hearMe(queries: QueryClient, told: LiveMe): void {
  live.me = told
  if (user.value && user.value.balance !== told.balance) user.value = { ...user.value, balance: told.balance }
  if (ownUsage !== undefined && ownUsage !== told.last_usage_ms) makeStale(queries, STALE_AFTER.usage)
  ownUsage = told.last_usage_ms
}

function hearCounters(queries: QueryClient, told: LiveCounters): void {
  live.counters = told
  if (allUsage !== undefined && allUsage !== told.last_usage_ms) makeStale(queries, STALE_AFTER.usage)
  allUsage = told.last_usage_ms
}

interface AccountsTold {
  is_whole: boolean
  changed: LiveAccount[]
  gone: number[]
}

function hearAccounts(queries: QueryClient, told: AccountsTold): void {
  if (told.is_whole) live.accounts.clear()
  for (const account of told.changed) live.accounts.set(account.id, account)
  for (const id of told.gone) live.accounts.delete(id)
  queries.setQueriesData({ queryKey: ['accounts'] }, patched)
}

function hearJobs(queries: QueryClient, told: readonly LiveJob[]): void {
  const news = newsOfJobs(live.jobs, told)
  live.jobs.clear()
  for (const job of told) live.jobs.set(job.id, job)
  queries.setQueriesData({ queryKey: ['jobs'] }, withJobs)
  if (news.length > 0) makeStale(queries, news)
}

interface Row {
  id: number
  current_concurrency?: number
}

/** The rows of any list of accounts (or the one account), as they stand now; the same object where nothing changed. */
export function patched(data: unknown): unknown {
  if (Array.isArray(data)) return patchedRows(data)
  if (typeof data !== 'object' || data === null) return data
  if ('items' in data && Array.isArray(data.items)) {
    const items = patchedRows(data.items)
    return items === data.items ? data : { ...data, items }
  }
  return 'current_concurrency' in data ? patchedRow(data as Row) : data
}

function patchedRows(rows: readonly Row[]): readonly Row[] {
  const now = rows.map(patchedRow)
  return now.some((row, index) => row !== rows[index]) ? now : rows
}

function patchedRow(row: Row): Row {
  const told = typeof row === 'object' && row !== null && 'current_concurrency' in row ? live.accounts.get(row.id) : undefined
  if (!told) return row
  const { in_use, waiting: _waiting, ...facts } = told
  const now: Record<string, unknown> = { ...facts, current_concurrency: in_use }
  const before = row as unknown as Record<string, unknown>
  const isSame = Object.entries(now).every(([key, value]) => sameFact(before[key], value))
  return isSame ? row : ({ ...row, ...now } as Row)
}

/** "…Z" and "…+00:00" are one instant. */
function sameFact(before: unknown, now: unknown): boolean {
  if (before === now || (before ?? null) === (now ?? null)) return true
  return typeof before === 'string' && typeof now === 'string' && Date.parse(before) === Date.parse(now)
}
