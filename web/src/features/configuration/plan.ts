import type { Schemas } from '@/api/client'

export type Plan = Schemas['headgate__control__configuration__schemas__PlanView']
export type Change = Plan['changes'][number]
export interface Section {
  name: string
  changes: Change[]
}

/** Changes by section of the document, in the document's order. */
export function sections(changes: readonly Change[]): Section[] {
  const names = [...new Set(changes.map((change) => change.section))]
  return names.map((name) => ({ name, changes: changes.filter((change) => change.section === name) }))
}

export type Sort = 'add' | 'change' | 'remove' | 'left'

export function sortOf(action: string): Sort {
  if (action === 'add' || action === 'left') return action
  return action === 'delete' ? 'remove' : 'change'
}

/** A value on one line; what is absent is a dash. */
export function shown(value: unknown): string {
  if (value === null || value === undefined || value === '') return '–'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** The document in a text, or why there is none. */
export function documentOf(text: string): Record<string, unknown> | 'json' | 'kind' {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'kind'
    return value as Record<string, unknown>
  } catch {
    return 'json'
  }
}
