import type { Schemas } from '@/api/client'

export type CleanupTask = Schemas['CleanupTaskView']

export const isUnderWay = (status: string): boolean => status === 'pending' || status === 'running'

const text = (value: unknown): string => (typeof value === 'string' || typeof value === 'number' ? String(value) : '')

/** The days that a task is about, as they were given. */
export function rangeOf(task: Pick<CleanupTask, 'filters'>): string {
  const days = [task.filters.start_date, task.filters.end_date].map(text)
  return days[0] === days[1] ? (days[0] ?? '') : days.join(' – ')
}

const TOLD = new Set(['start_date', 'end_date', 'timezone'])

/** Its other filters, by the names that the gateway has for them. */
export function restOf(task: Pick<CleanupTask, 'filters'>): string {
  return Object.entries(task.filters).filter(([name, value]) => !TOLD.has(name) && text(value) !== '').map(([name, value]) => `${name} ${text(value)}`).join(', ')
}
