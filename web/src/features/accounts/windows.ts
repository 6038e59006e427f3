import type { Schemas } from '@/api/client'

export type QuotaWindow = Schemas['QuotaWindowView']
export interface NamedWindow extends QuotaWindow {
  /** Key below `manage.account.window`, or the model's own name. */
  name: string
}

/** As the gateway calls them among themselves, and as its answers name them. */
const NAMED: Readonly<Record<string, string>> = { '5h': 'five_hour', '7d': 'seven_day', '7d_opus': 'seven_day_opus', '7d_sonnet': 'seven_day_sonnet' }
const KNOWN = ['five_hour', 'seven_day', 'seven_day_opus', 'seven_day_sonnet'] as const

/** Every window that the provider told of, the short ones first. */
export function windowsOf(usage: Schemas['AccountUsageView'] | undefined): NamedWindow[] {
  if (!usage) return []
  const known = KNOWN.flatMap((name) => (usage[name] ? [{ ...usage[name], name }] : []))
  return [...known, ...usage.model_windows.map((window) => ({ ...window, name: window.model }))]
}

/** Which keys the account serves now, by priority; `window`: what the others wait for, as the cards name it. */
export function heldBack(usage: Pick<Schemas['AccountUsageView'], 'priorities'> | undefined) {
  return (usage?.priorities ?? []).map((one) => ({ ...one, window: NAMED[one.held_back_by ?? ''] ?? one.held_back_by ?? '' }))
}

export type Tone = 'good' | 'warn' | 'bad'

/** How bad it is: used up, or going to be before it begins anew. */
export function tone(window: QuotaWindow): Tone {
  if (window.forecast.outlook === 'exhausted' || window.utilization >= 100) return 'bad'
  if (window.forecast.outlook === 'will_exhaust') return 'bad'
  return window.forecast.outlook === 'may_exhaust' || window.utilization >= 80 ? 'warn' : 'good'
}

/** Percent used of a limit; nothing where there is no limit. */
export function fill(used: number, limit: number): number {
  return limit > 0 ? Math.min(100, Math.max(0, (used / limit) * 100)) : 0
}

/** Where the window will be at its reset when all goes on as now: percent, at most 100. */
export function projected(window: QuotaWindow): number {
  const hours = Math.max(0, window.remaining_seconds) / 3600
  return Math.min(100, window.utilization + window.forecast.burn_percent_per_hour * hours)
}
