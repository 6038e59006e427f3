import type { Schemas } from '@/api/client'

export type Account = Schemas['AccountView']

/** What keeps an account from being chosen now, and until when; the gravest first. */
export function accountState(account: Account, now: number): { status: string; until?: string } {
  if (account.status !== 'active') return { status: account.status }
  const isAhead = (at: string | null | undefined): at is string => !!at && Date.parse(at) > now
  if (isAhead(account.temp_unschedulable_until)) return { status: 'resting', until: account.temp_unschedulable_until }
  if (isAhead(account.rate_limit_reset_at)) return { status: 'limited', until: account.rate_limit_reset_at }
  if (isAhead(account.overload_until)) return { status: 'overloaded', until: account.overload_until }
  return { status: account.schedulable ? 'active' : 'paused' }
}
