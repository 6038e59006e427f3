import { expect, it } from 'vitest'

import { refusalOf } from './refusal'

it.each([
  ['anthropic', { type: 'error', error: { type: 'billing_error', message: 'no money', code: 'INSUFFICIENT_BALANCE' } }],
  ['openai', { error: { message: 'no money', type: 'insufficient_quota', code: 'INSUFFICIENT_BALANCE' }, code: 'INSUFFICIENT_BALANCE' }],
  ['gemini', { error: { code: 403, message: 'no money', status: 'PERMISSION_DENIED', details: [{ '@type': 'x.ErrorInfo', reason: 'INSUFFICIENT_BALANCE' }] } }],
])('finds the stable code in an envelope of %s', (_protocol, body) => {
  expect(refusalOf(403, body)).toMatchObject({ status: 403, reason: 'INSUFFICIENT_BALANCE', message: 'no money' })
})

it.each([undefined, null, 'bad gateway', { error: null }])('says the status where there is no envelope: %s', (body) => {
  expect(refusalOf(502, body)).toMatchObject({ reason: '', message: 'HTTP 502' })
})
