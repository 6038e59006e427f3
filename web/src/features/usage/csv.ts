import { save } from '@/shared/save'

/** A file that spreadsheets read: quoted where needed, and no cell that a spreadsheet would run. */
export function toCsv(names: readonly string[], rows: readonly Record<string, unknown>[]): string {
  return [names.join(','), ...rows.map((row) => names.map((name) => cell(row[name])).join(','))].join('\r\n') + '\r\n'
}

function cell(value: unknown): string {
  if (value === null || value === undefined) return ''
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

export const download = (name: string, content: string): void => save(name, content, 'text/csv')
