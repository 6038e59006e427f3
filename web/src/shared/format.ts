import { language } from '@/i18n'

import { serverNow } from './clock'

const locale = (): string => (language() === 'zh' ? 'zh-CN' : 'en-US')

/** Dollars: cents where that is enough, more digits where the amount is small. */
export function usd(amount: number | null | undefined): string {
  if (amount === null || amount === undefined) return '–'
  const size = Math.abs(amount)
  const digits = size === 0 || size >= 1 ? 2 : size >= 0.01 ? 4 : 6
  return new Intl.NumberFormat(locale(), {
    style: 'currency', currency: 'USD', currencyDisplay: 'narrowSymbol',
    minimumFractionDigits: Math.min(digits, 2), maximumFractionDigits: digits,
  }).format(amount)
}

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? '–' : new Intl.NumberFormat(locale()).format(value)
}

export function compact(value: number | null | undefined): string {
  if (value === null || value === undefined) return '–'
  return new Intl.NumberFormat(locale(), { notation: 'compact', maximumFractionDigits: 1 }).format(value)
}

/** A factor of prices. */
export function times(factor: number | null | undefined): string {
  return factor === null || factor === undefined ? '–' : `×${factor}`
}

export function percent(share: number): string {
  return new Intl.NumberFormat(locale(), { style: 'percent', maximumFractionDigits: 1 }).format(share)
}

export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return '–'
  return ms < 1000 ? `${Math.round(ms)} ms` : ms < 60_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`
}

function toDate(at: string | number): Date {
  return new Date(typeof at === 'number' ? at * 1000 : at)
}

export function dateTime(at: string | number | null | undefined): string {
  if (!at) return '–'
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium', timeStyle: 'short' }).format(toDate(at))
}

export function date(at: string | number | null | undefined): string {
  if (!at) return '–'
  return new Intl.DateTimeFormat(locale(), { dateStyle: 'medium' }).format(toDate(at))
}

/** Hours and minutes of a day. */
export function timeOfDay(at: string | number): string {
  return new Intl.DateTimeFormat(locale(), { timeStyle: 'short' }).format(toDate(at))
}

const STEPS: readonly [Intl.RelativeTimeFormatUnit, number][] = [
  ['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1],
]

/** "5 minutes ago", "in 2 hours". */
export function relative(at: string | number | null | undefined, now = serverNow()): string {
  if (!at) return '–'
  const seconds = (toDate(at).getTime() - now) / 1000
  const [unit, size] = STEPS.find(([, step]) => Math.abs(seconds) >= step) ?? ['second', 1]
  return new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' }).format(Math.round(seconds / size), unit)
}
