/** Height of a row of a virtual list, px: fixed, so that ten thousand need not be measured. */
export const ROW_PX = 44

const STEPS: Readonly<Record<string, (at: number, last: number) => number>> = {
  ArrowDown: (at) => at + 1,
  ArrowUp: (at) => at - 1,
  PageDown: (at) => at + 10,
  PageUp: (at) => at - 10,
  Home: () => 0,
  End: (_, last) => last,
}

/** Where a key leads from a row; undefined: the key is none of ours. */
export function nextRow(key: string, at: number, count: number): number | undefined {
  const step = STEPS[key]
  return step && count > 0 ? Math.min(count - 1, Math.max(0, step(at, count - 1))) : undefined
}

/** Keys on the rows of a table: arrows, Page, Home and End move, Enter opens, Space selects. `count`: rows, drawn or not. */
export function onRowKey(event: KeyboardEvent, count: number): void {
  const place = event.currentTarget as HTMLElement
  const target = event.target as HTMLElement
  const row = target.closest<HTMLElement>('tr[data-p-index]')
  if (!row) {
    if (event.key === 'ArrowDown' && target.matches('input[type=search]')) move(event, place, 0)
    return
  }
  if (target.matches('input:not([type=checkbox]), textarea, [role=combobox], [role=menuitem]')) return
  if (event.key === 'Enter' && target === row) return press(event, row.querySelector<HTMLElement>('button, a'))
  if (event.key === ' ' && target === row) return press(event, row.querySelector<HTMLElement>('input[type=checkbox]'))
  const next = nextRow(event.key, Number(row.dataset.pIndex), count)
  if (next !== undefined) move(event, place, next)
}

function press(event: KeyboardEvent, what: HTMLElement | null): void {
  if (!what) return
  event.preventDefault()
  what.click()
}

function move(event: KeyboardEvent, place: HTMLElement, index: number): void {
  event.preventDefault()
  const find = (): HTMLElement | null => place.querySelector<HTMLElement>(`tr[data-p-index="${index}"]`)
  const row = find()
  if (row) return row.focus()
  const scroller = place.querySelector<HTMLElement>('.p-virtualscroller')
  if (!scroller) return
  scroller.scrollTop = index * ROW_PX
  let tries = 20
  const look = (): void => {
    const drawn = find()
    if (drawn) drawn.focus()
    else if (tries-- > 0) requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
}
