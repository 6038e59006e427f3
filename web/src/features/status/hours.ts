export interface Hour {
  at: string
  /** Null: nobody asked anything. */
  answered_share: number | null
}

export type Level = 'good' | 'some' | 'poor' | 'none'

export function levelOf(share: number | null): Level {
  if (share === null) return 'none'
  return share >= 0.99 ? 'good' : share >= 0.9 ? 'some' : 'poor'
}

/** The mean of the hours in which something was asked. Null of none. */
export function uptime(hours: readonly Hour[]): number | null {
  const known = hours.flatMap((hour) => (hour.answered_share === null ? [] : [hour.answered_share]))
  return known.length === 0 ? null : known.reduce((sum, share) => sum + share, 0) / known.length
}
