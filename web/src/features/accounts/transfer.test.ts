import { expect, it } from 'vitest'

import { readTransfer } from './transfer'

it('names the accounts of a document, also inside the envelope of an answer', () => {
  const document = { type: 'sub2api-data', accounts: [{ name: 'a' }, {}], proxies: [{}] }
  for (const text of [JSON.stringify(document), JSON.stringify({ code: 0, data: document })]) {
    expect(readTransfer(text)).toMatchObject({ names: ['a', '?'], proxies: 1 })
  }
})

it('refuses what is no such document', () => {
  expect(readTransfer('{')).toBe('json')
  expect(readTransfer('[1]')).toBe('kind')
  expect(readTransfer('{"accounts": 3}')).toBe('kind')
})
