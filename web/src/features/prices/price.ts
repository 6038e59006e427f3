import type { Schemas } from '@/api/client'
import { t } from '@/i18n'
import type { FormField, Values } from '@/shared/form'

export type Price = Schemas['PriceView']
export type Draft = Schemas['PriceBody']
const MAIN = ['input', 'output', 'cache_read', 'cache_write_5m', 'cache_write_1h'] as const
const OTHER = ['audio_input', 'audio_output', 'web_search', 'image', 'image_2k', 'image_4k'] as const

export function priceFields(): FormField[] {
  const amount = (name: string): FormField => ({ name, kind: 'number', label: t(`operate.price.field.${name}`), required: name === 'input' || name === 'output' })
  return [
    { name: 'model', required: true, hint: t('operate.price.modelHint') },
    { name: 'effective_from', kind: 'instant', hint: t('operate.price.fromHint') },
    ...MAIN.map((name, index) => ({ ...amount(name), ...(index === 0 ? { section: t('operate.price.tokens') } : {}) })),
    ...OTHER.map((name, index) => ({ ...amount(name), ...(index === 0 ? { section: t('operate.price.others') } : {}) })),
  ]
}

const KNOWN = ['model', 'effective_from', ...MAIN, ...OTHER] as const

/** A price is written as a whole; what is empty is the plain price of its kind. */
export function draftOf(values: Values): Draft | undefined {
  const filled = Object.fromEntries(KNOWN.map((name) => [name, values[name] === '' ? null : (values[name] ?? null)]))
  if (typeof filled.model !== 'string' || typeof filled.input !== 'number' || typeof filled.output !== 'number') return undefined
  return { ...filled, model: filled.model.trim() } as unknown as Draft
}

/** How much more or less than at present, as a share; nothing where there was nothing. */
export const share = (present: number, candidate: number): number | undefined => (present === 0 ? undefined : (candidate - present) / present)
