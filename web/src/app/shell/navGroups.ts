import { ref, type Ref } from 'vue'

import type { NavGroup } from '@/app/navigation'
import { can } from '@/app/session'

const KEY = 'headgate.menu'
/** Open until the reader closes them; the others are open only while one of their pages is looked at. Together they fit a laptop's screen. */
const OPEN_AT_FIRST: readonly string[] = ['overview', 'traffic', 'supply', 'people', 'embedded']

export type Group = NavGroup | 'embedded'
const isOpenAtFirst = (group: string): boolean => (group === 'mine' ? !can('read') : OPEN_AT_FIRST.includes(group))

type Choices = Readonly<Partial<Record<Group, boolean>>>

/** What is written there may be anything: the browser keeps it, and people and extensions can change it. */
export function parsed(text: string | null): Choices {
  try {
    const found: unknown = JSON.parse(text ?? '{}')
    const pairs = typeof found === 'object' && found !== null ? Object.entries(found) : []
    return Object.fromEntries(pairs.filter(([, value]) => typeof value === 'boolean')) as Choices
  } catch {
    return {}
  }
}

/** One for the menu at the side and the one in the drawer. */
let choices: Ref<Choices> | undefined

/** Which groups of the menu are open. The group of the page that was just gone to is open, unless it is closed by hand. */
export function useGroups(): { isOpen: (group: Group) => boolean; set: (group: Group, isOpen: boolean) => void; visiting: Ref<Group | undefined> } {
  const chosen = (choices ??= ref(parsed(localStorage.getItem(KEY))))
  const visiting = ref<Group>()

  const isOpen = (group: Group): boolean => visiting.value === group || (chosen.value[group] ?? isOpenAtFirst(group))
  function set(group: Group, open: boolean): void {
    if (!open && visiting.value === group) visiting.value = undefined
    chosen.value = { ...chosen.value, [group]: open }
    localStorage.setItem(KEY, JSON.stringify(chosen.value))
  }
  return { isOpen, set, visiting }
}
