import { i18n, t } from '@/i18n'

export type Values = Record<string, unknown>

export interface FormField {
  name: string
  kind?: 'text' | 'long' | 'number' | 'choice' | 'choices' | 'switch' | 'password' | 'lines' | 'instant' | 'day'
  /** Instead of the label that `common.field` has for the name. */
  label?: string
  hint?: string
  /** Heading above this field: a new part of the form begins. */
  section?: string
  options?: readonly { label: string; value: unknown }[]
  required?: boolean
}

/** In the reader's language; what has no word, such as a protocol, is its own. */
export const choiceLabel = (value: string): string => (i18n.global.te(`common.choice.${value}`) ? t(`common.choice.${value}`) : value)

export const options = (...values: readonly string[]) => values.map((value) => ({ label: choiceLabel(value), value }))

/** What differs from the start: absent fields stay as they are. */
export function changes(start: Values, now: Values): Values {
  return Object.fromEntries(Object.entries(now).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(start[name])))
}

/** Without what was left empty: the gateway's defaults hold. */
export function given(values: Values): Values {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined && value !== null && value !== ''),
  )
}

/** An instant as the browser's own field has it: the reader's clock, minutes; and back. */
export function toLocal(value: unknown): string {
  if (typeof value !== 'string' && typeof value !== 'number') return ''
  const at = new Date(typeof value === 'number' ? value * 1000 : value)
  if (value === '' || Number.isNaN(at.getTime())) return ''
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16)
}

export const fromLocal = (text: string): string | null => (text === '' ? null : new Date(text).toISOString())
