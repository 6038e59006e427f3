import { useQueries } from '@tanstack/vue-query'
import { computed, type Ref } from 'vue'

import { api, call } from '@/api/client'
import { t } from '@/i18n'
import { user } from '@/app/session'

/** Who is behind the numbers of users: their e-mail addresses, each asked for once. Somebody who is gone stays a number. */
export function usePeople(ids: Ref<readonly (number | null)[]>) {
  const others = computed(() => [...new Set(ids.value)].filter((id): id is number => id !== null && id !== user.value?.id))
  const found = useQueries({
    queries: computed(() =>
      others.value.map((id) => ({
        queryKey: ['users', 'name', id],
        staleTime: 300_000,
        retry: false,
        queryFn: async () => [id, (await call(api.GET('/v1/admin/users/{user_id}', { params: { path: { user_id: id } } }))).email] as const,
      })),
    ),
  })
  const names = computed(() => new Map(found.value.flatMap(({ data }) => (data ? [data] : []))))
  return (id: number | null): string => (id === null ? '–' : id === user.value?.id ? t('jobs.you') : (names.value.get(id) ?? `#${id}`))
}
