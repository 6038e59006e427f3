import { expect, it } from 'vitest'

import { documentOf, sections, shown, sortOf } from './plan'

it('keeps the order of sections and of changes', () => {
  const change = (section: string, name: string) => ({ section, name, action: 'update', fields: [] })
  const found = sections([change('groups', 'b'), change('accounts', 'x'), change('groups', 'a')])
  expect(found.map((each) => [each.name, each.changes.map((one) => one.name)])).toEqual([['groups', ['b', 'a']], ['accounts', ['x']]])
})

it('tells additions, changes and removals apart', () => {
  expect(['add', 'change', 'delete', 'left'].map(sortOf)).toEqual(['add', 'change', 'remove', 'left'])
})

it('shows values on one line, and what is not there as a dash', () => {
  expect([shown(null), shown(''), shown(0), shown(['a']), shown('x')]).toEqual(['–', '–', '0', '["a"]', 'x'])
})

it('takes an object alone for a document', () => {
  expect(documentOf('{"groups": []}')).toEqual({ groups: [] })
  expect(documentOf('[]')).toBe('kind')
  expect(documentOf('groups:')).toBe('json')
})
