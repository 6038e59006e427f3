import { describe, expect, it } from 'vitest'

import { bodyOf, fromField, optionsOf, shown, startOf, toField, type Definition } from './attributes'

const row = { id: 3, key: 'team', name: 'Team', description: '', type: 'multi_select', required: false, enabled: true, placeholder: '', validation: { max_length: 9 }, options: [{ value: 'a', label: 'A: one' }, { value: 'b', label: 'b' }] } as unknown as Definition

describe('definitions', () => {
  it('go into the form and out of it', () => {
    const body = bodyOf(startOf(row))
    expect(body).toMatchObject({ key: 'team', type: 'multi_select', options: row.options, validation: { max_length: 9, pattern: null, min: null } })
  })
  it('take an option without a label by its value', () => expect(optionsOf(['x', 'y: Why'])).toEqual([{ value: 'x', label: 'x' }, { value: 'y', label: 'Why' }]))
})

describe('values', () => {
  it('of several choices are a list in the form and text at the gateway', () => {
    expect(toField(row, '["a","b"]')).toEqual(['a', 'b'])
    expect(fromField(row, ['a'])).toBe('["a"]')
    expect(fromField(row, [])).toBe('')
    expect(shown(row, '["a","b"]')).toBe('A: one, b')
    expect(toField(row, 'not a list')).toEqual([])
  })
  it('of numbers are numbers, and an empty one takes the value away', () => {
    expect(toField({ type: 'number' }, '7.5')).toBe(7.5)
    expect(fromField({ type: 'number' }, null)).toBe('')
  })
})
