export type Values = Record<string, unknown>

export interface FormField {
  name: string
  kind?: 'text' | 'long' | 'number' | 'choice' | 'choices' | 'switch' | 'password' | 'lines'
  /** Instead of the label that `common.field` has for the name. */
  label?: string
  hint?: string
  /** Heading above this field: a new part of the form begins. */
  section?: string
  options?: readonly { label: string; value: unknown }[]
  required?: boolean
}

export const options = (...values: readonly string[]) => values.map((value) => ({ label: value, value }))

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
