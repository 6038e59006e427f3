/** The last `days` days up to today, as the gateway's queries want them, in the browser's time zone. */
export function lastDays(days: number, now = new Date()): { start_date: string; end_date: string; timezone: string } {
  const first = new Date(now)
  first.setDate(first.getDate() - days + 1)
  return { start_date: isoDay(first), end_date: isoDay(now), timezone: zoneName() }
}

export function isoDay(at: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
}

export function zoneName(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'
}
