import { keepPreviousData, useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { useRoute, useRouter } from 'vue-router'

import { whole } from './wholeList'

export interface PageOf<T> {
  items: readonly T[]
  total: number
  page: number
  page_size: number
}

/** What the list asks for: strings, as they stand in the address. */
export type Ask = Record<string, string>

const SIZE = '25'

/** A list whose page, search and filters are the page's address: they can be sent, saved and gone back to. */
export function useList<T>(name: string, filters: readonly string[], fetcher: (ask: Ask) => Promise<PageOf<T>>) {
  const route = useRoute()
  const router = useRouter()
  const names = ['search', ...filters]

  const ask = computed<Ask>(() => {
    const known = [...names, 'page', 'page_size']
    const given = known.flatMap((key) => {
      const value = route.query[key]
      return typeof value === 'string' && value !== '' ? [[key, value] as const] : []
    })
    return { page: '1', page_size: SIZE, ...Object.fromEntries(given) }
  })
  const isFiltered = computed(() => names.some((key) => ask.value[key] !== undefined))

  const query = useQuery({
    queryKey: computed(() => [name, 'list', ask.value]),
    queryFn: () => whole(ask.value, fetcher),
    placeholderData: keepPreviousData,
  })

  function set(changes: Record<string, string | undefined>): void {
    const isPaging = 'page' in changes
    const next = { ...route.query, ...(isPaging ? {} : { page: undefined }), ...changes }
    void router.replace({ query: Object.fromEntries(Object.entries(next).filter(([, value]) => value)) })
  }

  function clear(): void {
    set(Object.fromEntries(names.map((key) => [key, undefined])))
  }

  return { ask, isFiltered, query, set, clear }
}

export type ListState<T> = ReturnType<typeof useList<T>>
