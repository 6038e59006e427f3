import { expect, it } from 'vitest'

import { arrive, readHandover, takeArrival } from './arrival'

function visit(address: string): string {
  let shown = address
  const past = { state: null, replaceState: (_state: unknown, _title: string, to: string) => (shown = to) }
  arrive(new URL(address, 'https://gate.example.com') as unknown as Location, past as unknown as History)
  return shown
}

it('takes a login token out of the address, and gives it once', () => {
  expect(visit('/auth/oidc/callback#login_token=a.b-c&redirect=%2Fkeys%3Fa%3D1')).toBe('/auth/oidc/callback')
  expect(readHandover(takeArrival())).toEqual({ kind: 'token', token: 'a.b-c', next: '/keys?a=1', purpose: 'login' })
  expect(readHandover(takeArrival())).toEqual({ kind: 'nothing' })
})

it('takes address and token of a letter out of the address', () => {
  expect(visit('/reset-password#email=a%2Bb%40example.com&token=t1')).toBe('/reset-password')
  expect([...takeArrival()]).toEqual([['email', 'a+b@example.com'], ['token', 't1']])
})

it('leaves other addresses alone', () => expect(visit('/login?next=/keys#x')).toBe('/login?next=/keys#x'))

it('shows no words that a link brings along, but a code of OAuth', () => {
  const read = (text: string) => readHandover(new URLSearchParams(text))
  expect(read('error=provider_error&error_message=access_denied')).toMatchObject({ detail: 'access_denied' })
  expect(read('error=provider_error&error_message=Call+0900+now')).toMatchObject({ detail: '' })
})

it('knows a sign-in that proves something from one that logs in', () => {
  const purpose = (query: string) => readHandover(new URLSearchParams(`login_token=t&${query}`))
  expect(purpose('prove=1')).toMatchObject({ purpose: 'prove' })
  expect(purpose('link=1')).toMatchObject({ purpose: 'link' })
})
