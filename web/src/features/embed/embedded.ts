import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { useI18n } from 'vue-i18n'

import { api, call, type Schemas } from '@/api/client'
import { can } from '@/app/session'
import { usePublicSettings } from '@/features/auth/publicSettings'

export interface Embedded {
  /** As the ticket's request names it. */
  page: string
  path: string
  label: string
}

type Pages = Pick<Schemas['PublicSettings'], 'purchase_subscription_enabled' | 'custom_menu_items'>

/** The pages of other systems that stand in the menu: the shop first. Nobody buys where nothing is sold. */
export function embeddedPages(settings: Pages & { run_mode: string }, purchase: string): Embedded[] {
  const shop = settings.purchase_subscription_enabled && settings.run_mode !== 'simple'
  return [
    ...(shop ? [{ page: 'purchase', path: '/purchase', label: purchase }] : []),
    ...settings.custom_menu_items.map((item) => ({ page: item.id, path: `/custom/${item.id}`, label: item.label })),
  ]
}

export function useEmbedded() {
  const { t } = useI18n()
  const settings = usePublicSettings()
  /** Those for administrators are told to administrators only. */
  const all = useQuery({
    queryKey: ['settings', 'menu'],
    enabled: computed(() => can('admin')),
    staleTime: 60_000,
    queryFn: async () => (await call(api.GET('/v1/admin/settings'))).custom_menu_items,
  })
  const pages = computed<Embedded[]>(() => {
    const known = settings.data.value
    if (known === undefined) return []
    const custom_menu_items = can('admin') ? (all.data.value ?? known.custom_menu_items ?? []) : (known.custom_menu_items ?? [])
    return embeddedPages({ purchase_subscription_enabled: known.purchase_subscription_enabled ?? false, custom_menu_items, run_mode: known.run_mode ?? '' }, t('user.embed.purchase'))
  })
  return { pages, nameOf: (page: string) => pages.value.find((one) => one.page === page)?.label }
}
