import { useQuery } from '@tanstack/vue-query'

import { api, call, type Schemas } from '@/api/client'

/** What anybody may know of this installation. */
export const usePublicSettings = () =>
  useQuery({ queryKey: ['settings', 'public'], staleTime: 60_000, queryFn: () => call(api.GET('/v1/settings/public')) })

/** Whether strangers may register, as far as the settings say. */
export const isOpen = (settings: Schemas['PublicSettings'] | undefined): boolean =>
  settings?.registration_enabled === true && !settings.backend_mode_enabled
