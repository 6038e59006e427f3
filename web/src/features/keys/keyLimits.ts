type Limits = Record<string, { rpm_limit: number; tpm_limit: number }>

/** One line for each model: its name, requests a minute, tokens a minute; 0: no limit. */
export const limitLines = (limits: Readonly<Record<string, Readonly<Record<string, number>>>>): string[] =>
  Object.entries(limits).map(([model, entry]) => `${model} ${entry.rpm_limit ?? 0} ${entry.tpm_limit ?? 0}`)

/** What the lines say; undefined: one of them cannot be meant. A number that is left out is no limit. */
export function limitsIn(lines: readonly string[]): Limits | undefined {
  const limits: Limits = {}
  for (const line of lines) {
    const [model = '', requests = '0', tokens = '0', ...more] = line.trim().split(/\s+/)
    if (model === '' || model in limits || more.length > 0 || !/^\d+$/.test(requests) || !/^\d+$/.test(tokens)) return undefined
    limits[model] = { rpm_limit: Number(requests), tpm_limit: Number(tokens) }
  }
  return limits
}
