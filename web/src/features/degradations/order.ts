import type { Schemas } from '@/api/client'

type Item = Schemas['DegradationView']

/** Requests are refused because of it, or nobody will mend it but an operator. */
const GRAVE = new Set<string>(['billing_stopped', 'state_unavailable', 'group_without_account', 'model_route_lost', 'account_error'])
export const isGrave = (kind: string): boolean => GRAVE.has(kind)

/** The grave ones first, then the newest. */
export function bySeverity(items: readonly Item[]): Item[] {
  const at = (item: Item): number => (item.since ? Date.parse(item.since) : 0)
  return [...items].sort((a, b) => Number(isGrave(b.kind)) - Number(isGrave(a.kind)) || at(b) - at(a))
}
