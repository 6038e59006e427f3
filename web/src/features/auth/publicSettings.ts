import { useQuery } from '@tanstack/vue-query'

import { api, call } from '@/api/client'

/** What anybody may know of this installation. */
export const usePublicSettings = () =>
  useQuery({ queryKey: ['settings', 'public'], staleTime: 60_000, queryFn: () => call(api.GET('/v1/settings/public')) })
