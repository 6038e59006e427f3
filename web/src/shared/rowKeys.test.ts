import { describe, expect, it } from 'vitest'

import { nextRow } from './rowKeys'
import { whole } from './wholeList'

describe('nextRow', () => {
  it('moves by rows and pages and stays in the list', () => {
    expect(['ArrowDown', 'ArrowUp', 'PageDown', 'PageUp', 'Home', 'End'].map((key) => nextRow(key, 5, 8))).toEqual([6, 4, 7, 0, 0, 7])
  })
  it('leaves other keys and empty lists alone', () => {
    expect(nextRow('a', 5, 8)).toBeUndefined()
    expect(nextRow('Home', 0, 0)).toBeUndefined()
  })
})

describe('whole', () => {
  const rows = Array.from({ length: 2_300 }, (_, index) => index)
  const asked: string[] = []
  const fetcher = async (ask: Record<string, string>) => {
    asked.push(`${ask.page}x${ask.page_size}`)
    const [page, size] = [Number(ask.page), Number(ask.page_size)]
    return { items: rows.slice((page - 1) * size, page * size), total: rows.length, page, page_size: size }
  }
  it('is one question for small pages', async () => {
    expect((await whole({ page: '2', page_size: '25' }, fetcher)).items).toEqual(rows.slice(25, 50))
    expect(asked).toEqual(['2x25'])
  })
  it('is put together from parts that the gateway gives', async () => {
    const found = await whole({ page: '1', page_size: '10000' }, fetcher)
    expect(found.items).toEqual(rows)
    expect([found.page, found.page_size, found.total]).toEqual([1, 10_000, 2_300])
    expect(asked.slice(1)).toEqual(['1x1000', '2x1000', '3x1000'])
  })
})
