import { isoDay } from '@/shared/days'

/** What of a list's address narrows the records: not the page, and an end without a beginning reaches back. */
export function filtersOf(ask: Readonly<Record<string, string>>, timezone: string): Record<string, string> {
  const { page: _page, page_size: _size, search, period, ...rest } = ask
  const hasDays = rest.start_date !== undefined || rest.end_date !== undefined
  return { timezone, ...rest, ...(search ? { model: search } : {}), ...(period && !hasDays ? { period } : {}) }
}

/** The span that a chart shows: what was chosen, else the last thirty days. */
export function chartSpan(filters: Readonly<Record<string, string>>, now: Date): Record<string, string> {
  const { period, ...rest } = filters
  const back = (days: number): string => isoDay(new Date(now.getFullYear(), now.getMonth(), now.getDate() - days))
  if (rest.start_date || rest.end_date) {
    const end = rest.end_date ?? isoDay(now)
    return { ...rest, start_date: rest.start_date ?? end, end_date: end }
  }
  // Weeks begin on Monday, as the gateway's do.
  const days = period === 'today' ? 0 : period === 'week' ? (now.getDay() + 6) % 7 : period === 'month' ? now.getDate() - 1 : 29
  return { ...rest, start_date: back(days), end_date: isoDay(now) }
}

export const isOneDay = (span: Readonly<Record<string, string>>): boolean => span.start_date === span.end_date

/** The day that an address names; null of nonsense. */
export function dayOf(text: string | undefined): Date | null {
  if (!text || !/^\d{4}-\d{2}-\d{2}$/.test(text)) return null
  const day = new Date(`${text}T00:00:00`)
  return Number.isNaN(day.getTime()) ? null : day
}

/** Words of a list's address that a job of the gateway takes as numbers. */
const NUMBERS = new Set(['user_id', 'api_key_id', 'account_id', 'group_id', 'billing_type'])

/** What to export: as the list is narrowed, a named period as its days; without one everything until now. */
export function exportOf(filters: Readonly<Record<string, string>>, now: Date): Record<string, string | number> {
  const { period, ...rest } = filters
  const asked = period ? chartSpan({ ...rest, period }, now) : rest
  return Object.fromEntries(Object.entries(asked).map(([name, value]) => [name, NUMBERS.has(name) ? Number(value) : value]))
}
