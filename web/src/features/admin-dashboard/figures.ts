import type { Schemas } from '@/api/client'

type Totals = Schemas['AdminTotals']

export interface Share {
  label: string
  /** Null: not for this reader. */
  value: number | null
  detail: string
  to?: string | { path: string; query: Record<string, string> }
}

export interface StateShare {
  status: 'active' | 'limited' | 'overloaded' | 'error' | 'paused'
  count: number
}

/** Accounts by what they are doing now; they add up to all of them. `normal` counts those in service, limited or not. */
export function accountStates(totals: Totals): StateShare[] {
  const limited = totals.ratelimit_accounts
  const overloaded = totals.overload_accounts
  const active = Math.max(0, totals.normal_accounts - limited - overloaded)
  const known = active + limited + overloaded + totals.error_accounts
  const paused = Math.max(0, totals.total_accounts - known)
  const shares: StateShare[] = [
    { status: 'active', count: active },
    { status: 'limited', count: limited },
    { status: 'overloaded', count: overloaded },
    { status: 'error', count: totals.error_accounts },
    { status: 'paused', count: paused },
  ]
  return shares.filter((share) => share.count > 0)
}

/** Labels of a trend: hours of one day, or days without their year. */
export function pointLabel(date: string, granularity: string): string {
  return granularity === 'hour' ? date.slice(11, 16) : date.slice(5, 10)
}

/** Widths in percent of the largest; what is not nothing is seen. */
export function widths(values: readonly number[]): number[] {
  const most = Math.max(...values, 0)
  return values.map((value) => (most <= 0 || value <= 0 ? 0 : Math.max(1.5, (value / most) * 100)))
}
