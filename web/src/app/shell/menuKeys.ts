/** Up, Down, Home and End go through what is drawn of the menu; Right and Left open and close a group. Tab stays the browser's. */
export function onMenuKey(event: KeyboardEvent): void {
  if (event.altKey || event.ctrlKey || event.metaKey) return
  const menu = event.currentTarget as HTMLElement
  const places = [...menu.querySelectorAll<HTMLElement>('a, button')].filter((place) => place.getClientRects().length > 0)
  const at = places.indexOf(event.target as HTMLElement)
  const place = places[at]
  if (!place) return
  const next = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: places.length - 1 }[event.key]
  if (next !== undefined) {
    event.preventDefault()
    places[next]?.focus()
  } else if (event.key === 'ArrowRight' || event.key === 'ArrowLeft') {
    const isClosing = event.key === 'ArrowLeft'
    const head = [...places.slice(0, at + 1)].reverse().find((one) => one.hasAttribute('aria-expanded'))
    if (!head || (!isClosing && head !== place)) return
    event.preventDefault()
    if ((head.getAttribute('aria-expanded') === 'true') === isClosing) head.click()
    head.focus()
  }
}
