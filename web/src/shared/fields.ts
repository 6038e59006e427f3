import { t } from '@/i18n'

export interface Field {
  name: string
  label: string
  /** Hidden on a phone. */
  isWide?: boolean
  isNumber?: boolean
}

/** Columns by name: `#` before a number, `~` before what a phone leaves out. */
export function fieldsOf(...names: readonly string[]): Field[] {
  return names.map((mark) => {
    const name = mark.replace(/^[#~]+/, '')
    return { name, label: t(`common.field.${name}`), isNumber: /^~?#/.test(mark), isWide: /^#?~/.test(mark) }
  })
}
