import { describe, expect, it } from 'vitest'

import { kindOf, ownerOf, signed, type Line } from './lines'

const line = { amount: 2, debit: { book: 'user:3' }, credit: { book: 'revenue' } } as Line

describe('signed', () => {
  it('takes from the book that pays and gives to the book that gets', () => {
    expect(signed(line, 'user:3')).toBe(-2)
    expect(signed(line, 'revenue')).toBe(2)
  })
  it('is what moved when no book looks at it', () => expect(signed(line, '')).toBe(2))
  it('does not mix up books that begin alike', () => expect(signed(line, 'user:33')).toBe(2))
})

it('knows later corrections as corrections, and books by their owner', () => {
  expect(kindOf('correction:2')).toBe('correction')
  expect(ownerOf('user:3')).toEqual({ kind: 'user', id: '3' })
  expect(ownerOf('revenue')).toEqual({ kind: 'revenue', id: '' })
})
