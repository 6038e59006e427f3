import { describe, expect, it } from 'vitest'

import { groupFields, routesOf, routingOf, startOf, updateBody, type Group } from './groupForm'

const group = { id: 1, name: 'g', daily_limit_usd: 5, weekly_limit_usd: null, monthly_limit_usd: 90, image_price_1k: 0.1, image_price_2k: null, image_price_4k: null, fallback_group_id: null } as Group

describe('updateBody', () => {
  it('keeps limits and picture prices when something else changes', () =>
    expect(updateBody(group, { name: 'h' })).toEqual({ name: 'h', daily_limit_usd: 5, weekly_limit_usd: null, monthly_limit_usd: 90, image_price_1k: 0.1, image_price_2k: null, image_price_4k: null }))
  it('clears a limit that was emptied', () => expect(updateBody(group, { daily_limit_usd: null })).toMatchObject({ daily_limit_usd: null, monthly_limit_usd: 90 }))
})

it('has a field for everything a group can be told, but what has an editor of its own', () => {
  const names = groupFields(group, { groups: [], proxies: [] }).map((field) => field.name)
  expect(new Set(names).size).toBe(names.length)
  expect(names.length).toBe(30)
  expect(startOf(group)).toMatchObject({ fallback_group_id: 0, copy_accounts_from_group_ids: [] })
})

describe('routingOf', () => {
  it('goes there and back', () => expect(routingOf(routesOf({ 'claude-*': [1, 2] }))).toEqual({ 'claude-*': [1, 2] }))
  it('names what is wrong', () => {
    expect(routingOf([{ pattern: 'a', accounts: [1] }, { pattern: ' a ', accounts: [2] }])).toBe('twice')
    expect(routingOf([{ pattern: '', accounts: [1] }])).toBe('empty')
    expect(routingOf([{ pattern: 'a', accounts: [] }])).toBe('empty')
    expect(routingOf([{ pattern: 'a*b', accounts: [1] }])).toBe('star')
  })
})
