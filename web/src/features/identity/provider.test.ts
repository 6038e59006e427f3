import { expect, it } from 'vitest'

import { bodyOf, startOf } from './provider'

it('begins with a preset over what is usual', () =>
  expect(startOf(undefined, 'forum', { forum: { kind: 'oauth2', name: 'Forum' } })).toMatchObject({ slug: 'forum', kind: 'oauth2', name: 'Forum', use_pkce: true }))

it('writes the whole provider and leaves the stored secret alone', () => {
  const start = startOf({ slug: 's', name: 'n', client_id: 'c', callback_url: 'u', client_secret_configured: true } as never, '', {})
  expect(bodyOf(start)).toEqual({ name: 'n', client_id: 'c' })
  expect(bodyOf({ ...start, client_secret: 'x' })).toEqual({ name: 'n', client_id: 'c', client_secret: 'x' })
})
