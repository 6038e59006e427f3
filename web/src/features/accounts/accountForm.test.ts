import { describe, expect, it } from 'vitest'

import { credentialsOf, mappingOf, mappingText, updateBody } from './accountForm'
import type { Account } from './state'

const account = { type: 'apikey', credentials: { api_key: 'sk-…abcd', base_url: 'https://x.example' }, extra: { base_rpm: 10, other: 1 } } as unknown as Account

describe('updateBody', () => {
  it('sends only what changed', () => expect(updateBody(account, { priority: 3 })).toEqual({ priority: 3 }))
  it('keeps the rest of extra when a limit changes, and takes an emptied limit as none', () =>
    expect(updateBody(account, { base_rpm: null })).toEqual({ extra: { base_rpm: 0, other: 1 } }))
  it('keeps the masked secret when only the address changes', () =>
    expect(updateBody(account, { base_url: 'https://y.example' })).toEqual({ credentials: { api_key: 'sk-…abcd', base_url: 'https://y.example' } }))
  it('forgets an address that was emptied', () =>
    expect(updateBody(account, { base_url: '' })).toEqual({ credentials: { api_key: 'sk-…abcd' } }))
})

it('puts a token where its kind wants it', () => {
  expect(credentialsOf('bearer', { secret: 's', base_url: ' https://z.example ' })).toEqual({ access_token: 's', base_url: 'https://z.example' })
  expect(credentialsOf('apikey', { secret: 's', base_url: '' })).toEqual({ api_key: 's' })
})

it('reads and writes model mappings line by line', () => {
  expect(mappingOf('claude-* = claude-sonnet-4-5\n\n gpt-5 ')).toEqual({ 'claude-*': 'claude-sonnet-4-5', 'gpt-5': 'gpt-5' })
  expect(mappingText({ a: 'b', c: 'c' })).toBe('a = b\nc')
  expect(mappingText(undefined)).toBe('')
})
