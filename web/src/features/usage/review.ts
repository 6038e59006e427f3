import type { Schemas } from '@/api/client'
import type { Values } from '@/shared/form'

export type Reviewed = Schemas['AdminUsageView']
export const REASONS = ['estimated', 'default_price', 'implausible'] as const

/** In the order of the form; the sum is bounded by the gateway. */
export const STATED = [
  'input_tokens', 'output_tokens', 'cache_read_tokens', 'cache_write_5m_tokens', 'cache_write_1h_tokens',
  'audio_input_tokens', 'audio_output_tokens', 'image_count', 'web_search_calls',
] as const

/** What a record holds, as the start of what it should hold: whoever corrects it changes single numbers. */
export function statedOf(row: Reviewed): Values {
  return {
    ...Object.fromEntries(STATED.map((name) => [name, (row as unknown as Values)[name] ?? 0])),
    cache_write_5m_tokens: row.cache_creation_5m_tokens,
    cache_write_1h_tokens: row.cache_creation_1h_tokens,
    image_size: row.image_size,
  }
}

/** The usage that was really made, out of the form. A size without pictures means nothing. */
export function correctedOf(values: Values): Schemas['CorrectedUsage'] {
  const numbers = Object.fromEntries(STATED.map((name) => [name, Number(values[name] ?? 0)]))
  return { ...numbers, image_size: numbers.image_count ? values.image_size : null } as Schemas['CorrectedUsage']
}

/** What the provider said instead, in lines; empty: nothing was put aside. */
export function reportedOf(row: Pick<Reviewed, 'quarantined'>): string {
  return row.quarantined ? JSON.stringify(row.quarantined, null, 2) : ''
}
