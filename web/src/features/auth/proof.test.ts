import { beforeEach, expect, it, vi } from 'vitest'

import { dropIntent, dropProof, holdProof, setIntent, takeIntent } from './proof'

const kept = new Map<string, string>()
vi.stubGlobal('sessionStorage', {
  getItem: (name: string) => kept.get(name) ?? null,
  setItem: (name: string, value: string) => kept.set(name, value),
  removeItem: (name: string) => kept.delete(name),
})

beforeEach(() => {
  dropProof()
  dropIntent()
})

it('gives what was asked for once, to whoever has the proof', () => {
  setIntent('totp:begin')
  expect(takeIntent('totp')).toBeUndefined()
  holdProof('proof', 300)
  expect(takeIntent('remove')).toBeUndefined()
  expect([takeIntent('totp'), takeIntent('totp')]).toEqual(['begin', undefined])
})

it('keeps nothing of what was given up', () => {
  setIntent('remove:7')
  dropIntent()
  expect(kept.size).toBe(0)
  holdProof('proof', 300)
  expect(takeIntent('remove')).toBeUndefined()
})
