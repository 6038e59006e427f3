import type { Ask, PageOf } from './listState'

/** The most that the gateway gives at once. */
const PART = 1_000

/** A page of a list; one larger than the gateway gives at once is put together from parts, in order. */
export async function whole<T>(ask: Ask, fetcher: (ask: Ask) => Promise<PageOf<T>>): Promise<PageOf<T>> {
  const size = Number(ask.page_size)
  if (!(size > PART)) return fetcher(ask)
  const page = Math.max(1, Number(ask.page) || 1)
  const first = ((page - 1) * size) / PART + 1
  const items: T[] = []
  let total = 0
  for (let part = first; part < first + size / PART; part += 1) {
    const found = await fetcher({ ...ask, page: String(part), page_size: String(PART) })
    items.push(...found.items)
    total = found.total
    if (part * PART >= total || found.items.length === 0) break
  }
  return { items, total, page, page_size: size }
}
