import { expect, it } from 'vitest'

import { embeddedPages } from './embedded'

const custom_menu_items = [{ id: 'wiki', label: '<b>Wiki</b>', url: 'https://wiki.example/', visibility: 'user' as const, sort_order: 0 }]

it('puts the shop first', () =>
  expect(embeddedPages({ purchase_subscription_enabled: true, custom_menu_items, run_mode: 'standard' }, 'Buy').map((one) => one.path)).toEqual(['/purchase', '/custom/wiki']))
it('sells nothing in simple mode or where there is no shop', () => {
  expect(embeddedPages({ purchase_subscription_enabled: true, custom_menu_items: [], run_mode: 'simple' }, 'Buy')).toEqual([])
  expect(embeddedPages({ purchase_subscription_enabled: false, custom_menu_items: [], run_mode: 'standard' }, 'Buy')).toEqual([])
})
