/** As the gateway names them; 0 and absent are no limit. */
export const LIMITS = ['rpm_limit', 'tpm_limit', 'user_rpm_limit', 'user_tpm_limit'] as const
type Limit = (typeof LIMITS)[number]

export type LimitRow = { pattern: string } & Record<Limit, number | null>

export function limitRowsOf(limits: Readonly<Record<string, Readonly<Record<string, number>>>>): LimitRow[] {
  const of = (entry: Readonly<Record<string, number>>, name: Limit): number | null => entry[name] || null
  return Object.entries(limits).map(([pattern, entry]) => ({
    pattern, rpm_limit: of(entry, 'rpm_limit'), tpm_limit: of(entry, 'tpm_limit'), user_rpm_limit: of(entry, 'user_rpm_limit'), user_tpm_limit: of(entry, 'user_tpm_limit'),
  }))
}

/** The limits to store, or why they cannot be. */
export function limitsOf(rows: readonly LimitRow[]): Record<string, Record<Limit, number>> | 'twice' | 'empty' | 'star' {
  const patterns = rows.map((row) => row.pattern.trim())
  if (patterns.some((pattern, index) => pattern === '' || LIMITS.every((name) => !rows[index]?.[name]))) return 'empty'
  if (patterns.some((pattern) => pattern.slice(0, -1).includes('*') || pattern === '*')) return 'star'
  if (new Set(patterns).size !== patterns.length) return 'twice'
  return Object.fromEntries(rows.map((row, index) => [
    patterns[index],
    { rpm_limit: row.rpm_limit ?? 0, tpm_limit: row.tpm_limit ?? 0, user_rpm_limit: row.user_rpm_limit ?? 0, user_tpm_limit: row.user_tpm_limit ?? 0 },
  ]))
}

export interface Share {
  id: string
  weight: number
  /** Null: what the group guarantees everybody. */
  guaranteed: number | null
}

export function sharesOf(users: Readonly<Record<string, { weight?: number; guaranteed?: number | null }>>): Share[] {
  return Object.entries(users).map(([id, { weight, guaranteed }]) => ({ id, weight: weight ?? 1, guaranteed: guaranteed ?? null }))
}

export const usersOf = (shares: readonly Share[]): Record<string, { weight: number; guaranteed: number | null }> =>
  Object.fromEntries(shares.map(({ id, weight, guaranteed }) => [id, { weight: weight ?? 1, guaranteed }]))
