const LONGEST_MS = 2 ** 31 - 1

/** How long until a ticket is over, in milliseconds: never negative, never more than a timer can hold. */
export function renewalDelay(expiresAt: string, now: number): number {
  const left = Date.parse(expiresAt) - now
  return Number.isFinite(left) ? Math.min(LONGEST_MS, Math.max(0, left)) : LONGEST_MS
}
