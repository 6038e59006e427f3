import { describe, expect, it } from 'vitest'

import { draftOf, priceFields, share } from './price'

describe('draftOf', () => {
  it('is the whole price, emptied fields as null', () =>
    expect(draftOf({ id: 3, model: ' m ', input: 1, output: 2, cache_read: '', effective_from: '' })).toMatchObject({ model: 'm', input: 1, output: 2, cache_read: null, effective_from: null }))
  it('is none while model or prices are missing', () => {
    expect(draftOf({ model: 'm', input: 1 })).toBeUndefined()
    expect(draftOf({ input: 1, output: 2 })).toBeUndefined()
  })
  it('takes a free model for one', () => expect(draftOf({ model: 'm', input: 0, output: 0 })).toMatchObject({ input: 0 }))
})

it('asks for every part of a price once', () => {
  const names = priceFields().map((field) => field.name)
  expect(new Set(names).size).toBe(names.length)
  expect(names).toContain('web_search')
})

it('compares with what was', () => {
  expect(share(2, 3)).toBe(0.5)
  expect(share(0, 3)).toBeUndefined()
})
