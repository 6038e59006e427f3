import { useMutation, useQuery, useQueryClient } from '@tanstack/vue-query'
import { computed } from 'vue'

import { api, call, type Schemas } from '@/api/client'
import { user } from '@/app/session'

export type Notice = Schemas['AnnouncementView']

export const unreadOf = (notices: readonly Notice[]): Notice[] => notices.filter((notice) => notice.read_at === null)

/** Those that ask to be seen at once, the oldest first: they are read in the order they were written. */
export const popupsOf = (notices: readonly Notice[]): Notice[] =>
  unreadOf(notices).filter((notice) => notice.notify_mode === 'popup').toReversed()

const KEY = ['notices', 'own'] as const

export function useNotices() {
  const queries = useQueryClient()
  const found = useQuery({
    queryKey: KEY,
    enabled: computed(() => user.value !== undefined),
    refetchInterval: 60_000,
    queryFn: () => call(api.GET('/v1/announcements')),
  })
  const notices = computed(() => found.data.value ?? [])
  const unread = computed(() => unreadOf(notices.value))
  /** Marked at once; the list is asked again where the gateway did not hear it. */
  const marking = useMutation({
    mutationFn: (id: number) => call(api.POST('/v1/announcements/{announcement_id}/read', { params: { path: { announcement_id: id } } })),
    onMutate: (id) =>
      queries.setQueryData<Notice[]>(KEY, (known) => known?.map((notice) => (notice.id === id ? { ...notice, read_at: new Date().toISOString() } : notice))),
    onError: () => queries.invalidateQueries({ queryKey: KEY }),
  })
  return { found, notices, unread, mark: (id: number) => marking.mutate(id) }
}
