import type { Schemas } from '@/api/client'
import { dateTime, usd } from '@/shared/format'

export type Story = Schemas['AdminExplanationView']
type Attempt = Story['attempts'][number]

export interface Bar {
  kind: 'wait' | 'attempt'
  label: string
  isGood: boolean
  /** Milliseconds from the first known moment. */
  start: number
  length: number
  /** Until the first token, inside `length`; absent: unknown. */
  first?: number
}

/** What is known of the request's time, one after the other: waits before the attempt that they were for, where that is known. */
export function waterfall(story: Pick<Story, 'waits' | 'attempts'>): Bar[] {
  const bars: Bar[] = []
  let now = 0
  const left = [...story.waits]
  const wait = (item: Story['waits'][number]): void => {
    bars.push({ kind: 'wait', label: item.waited_for ?? '', isGood: item.result === 'SlotLease', start: now, length: item.waited_ms })
    now += item.waited_ms
  }
  const attempt = (item: Attempt): void => {
    const length = item.duration_ms ?? 0
    bars.push({ kind: 'attempt', label: item.account ?? item.upstream_model ?? '', isGood: item.outcome === 'completed', start: now, length, first: item.first_token_ms ?? undefined })
    now += length
  }
  const isFor = (waited: string, item: Attempt): boolean => !waited.startsWith('account:') || waited === `account:${item.account_id}`
  for (const item of story.attempts) {
    while (left[0] && isFor(left[0].waited_for ?? '', item)) wait(left.shift()!)
    attempt(item)
  }
  left.forEach(wait)
  return bars
}

export const total = (bars: readonly Bar[]): number => bars.reduce((most, bar) => Math.max(most, bar.start + bar.length), 0)

/** In percent of the whole; what took no time is seen as a line. */
export function placed(bar: Bar, whole: number): { left: string; width: string } {
  const share = (ms: number): number => (whole > 0 ? (ms / whole) * 100 : 0)
  return { left: `${Math.min(99.5, share(bar.start))}%`, width: `${Math.max(0.5, share(bar.length))}%` }
}

/** Terms of a score, the weightiest first, the sum apart. */
export function terms(score: Readonly<Record<string, number>> | null): { sum: number | undefined; parts: [string, number][] } {
  if (!score) return { sum: undefined, parts: [] }
  const { total: sum, ...rest } = score
  return { sum, parts: Object.entries(rest).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1])) }
}

/** Nano-USD of a reservation as USD. */
export const fromNano = (nano: unknown): number => (typeof nano === 'number' ? nano / 1e9 : 0)

const TOLD_ELSEWHERE = new Set(['upstream_model', 'sticky'])

/** What spoke for or against a candidate, in one line: amounts as dollars, instants as times, nothing of what is nothing. */
export function evidenceOf(evidence: Readonly<Record<string, unknown>>): string {
  return Object.entries(evidence)
    .filter(([name, value]) => !TOLD_ELSEWHERE.has(name) && value !== null && value !== 0 && value !== '')
    .map(([name, value]) => (isObject(value) ? `${words(name)}: ${evidenceOf(value)}` : `${words(name)} ${told(name, value)}`))
    .join(', ')
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const words = (name: string): string => name.replace(/_(nano|ms)$/, '').replaceAll('_', ' ')

function told(name: string, value: unknown): string {
  if (name.endsWith('_nano')) return usd(fromNano(value))
  if (name.endsWith('until_ms') && typeof value === 'number') return dateTime(value / 1000)
  return typeof value === 'string' ? value : JSON.stringify(value)
}
