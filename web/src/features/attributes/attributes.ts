import type { Schemas } from '@/api/client'
import type { FormField, Values } from '@/shared/form'

export type Definition = Schemas['DefinitionView']

export const TYPES = ['text', 'textarea', 'number', 'email', 'url', 'date', 'select', 'multi_select'] as const
export const RULES = ['min_length', 'max_length', 'min', 'max', 'pattern', 'message'] as const

/** Options as lines, `value: label` where they differ; and back. */
export const linesOf = (options: Definition['options']): string[] => options.map(({ value, label }) => (value === label ? value : `${value}: ${label}`))
export const optionsOf = (lines: readonly string[]): { value: string; label: string }[] =>
  lines.map((line) => {
    const [value = '', ...rest] = line.split(':')
    return { value: value.trim(), label: rest.join(':').trim() || value.trim() }
  })

/** The form's flat values of a definition; and the body that they make. */
export function startOf(row: Definition | undefined): Values {
  if (!row) return { type: 'text', required: false, enabled: true, options: [] }
  const rules = Object.fromEntries(RULES.map((name) => [name, row.validation[name] ?? (name === 'pattern' || name === 'message' ? '' : null)]))
  return { key: row.key, name: row.name, description: row.description, type: row.type, required: row.required, enabled: row.enabled, placeholder: row.placeholder, options: linesOf(row.options), ...rules }
}
export function bodyOf(values: Values): Values {
  const rest = Object.fromEntries(Object.entries(values).filter(([name]) => !(RULES as readonly string[]).includes(name) && name !== 'options'))
  const validation = Object.fromEntries(RULES.map((name) => [name, values[name] === '' ? null : (values[name] ?? null)]))
  return { ...rest, options: optionsOf(Array.isArray(values.options) ? (values.options as string[]) : []), validation }
}

const KINDS: Readonly<Record<string, FormField['kind']>> = { textarea: 'long', number: 'number', date: 'day', select: 'choice', multi_select: 'choices' }

/** A field of the form of a user's values; its name is the attribute's number. */
export const fieldOf = (row: Definition): FormField => ({
  name: String(row.id), label: row.name, kind: KINDS[row.type], required: row.required, hint: row.description || row.placeholder || undefined, options: row.options,
})

/** A value as the gateway keeps it (text) for the form's field, and back. */
export function toField(row: Pick<Definition, 'type'>, value: string | undefined): unknown {
  if (row.type === 'multi_select') return listOf(value)
  if (row.type === 'number') return value ? Number(value) : null
  return value ?? ''
}
export function fromField(row: Pick<Definition, 'type'>, value: unknown): string {
  if (row.type === 'multi_select') return Array.isArray(value) && value.length > 0 ? JSON.stringify(value) : ''
  return value === null || value === undefined ? '' : String(value)
}

function listOf(value: string | undefined): string[] {
  try {
    const found: unknown = JSON.parse(value || '[]')
    return Array.isArray(found) ? found.map(String) : []
  } catch {
    return []
  }
}

/** For reading: labels of options, else the value. */
export function shown(row: Pick<Definition, 'type' | 'options'>, value: string): string {
  const label = (one: string): string => row.options.find((option) => option.value === one)?.label ?? one
  return row.type === 'multi_select' ? listOf(value).map(label).join(', ') : label(value)
}
