import { beforeEach, describe, expect, it, vi } from 'vitest'

import { entryOf, GROUPS, NAV } from '@/app/navigation'

import { parsed } from './navGroups'

const kept = new Map<string, string>()
beforeEach(() => {
  kept.clear()
  vi.resetModules()
  vi.stubGlobal('localStorage', { getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, value: string) => kept.set(key, value) })
})
vi.mock('@/app/session', () => ({ can: () => true }))
const menu = async () => (await import('./navGroups')).useGroups()

describe('entryOf', () => {
  it('finds the entry of a page below it, and the one of a request', () => {
    expect(entryOf('/admin/accounts/7')?.label).toBe('accounts')
    expect(entryOf('/admin/requests/req_1')?.path).toBe('/admin/usage')
    expect(entryOf('/usage')?.path).toBe('/usage')
    expect(entryOf('/admin/accountsabc')).toBeUndefined()
    expect(entryOf('/forbidden')).toBeUndefined()
  })
  it('has every group, and only the first is for everybody', () => {
    expect(new Set(NAV.map((item) => item.group))).toEqual(new Set(GROUPS))
    for (const item of NAV) expect(item.permission === 'user').toBe(item.group === 'mine')
  })
})

describe('groups of the menu', () => {
  it('are as they were left', async () => {
    const before = await menu()
    before.set('money', true)
    before.set('supply', false)
    vi.resetModules()
    const after = await menu()
    expect([after.isOpen('money'), after.isOpen('supply'), after.isOpen('system')]).toEqual([true, false, false])
  })
  it('open for the page that is gone to, until closed by hand', async () => {
    const { isOpen, set, visiting } = await menu()
    visiting.value = 'system'
    expect(isOpen('system')).toBe(true)
    expect(kept.size).toBe(0)
    set('system', false)
    expect(isOpen('system')).toBe(false)
  })
  it('keep what is an operator\'s own closed at first', async () => {
    expect((await menu()).isOpen('mine')).toBe(false)
  })
  it('do not mind what else stands in their place', () => {
    expect(parsed('{"money":true,"people":"no"}')).toEqual({ money: true })
    for (const text of [null, '', 'null', '[', '7']) expect(parsed(text)).toEqual({})
  })
})
