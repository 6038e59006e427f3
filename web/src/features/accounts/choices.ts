import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'

import { api, call } from '@/api/client'

import type { Choices } from './accountForm'

/** Groups and proxies to choose from. */
export function useChoices() {
  const groups = useQuery({ queryKey: ['groups', 'all'], queryFn: () => call(api.GET('/v1/admin/groups/all')) })
  const proxies = useQuery({ queryKey: ['proxies', 'all'], queryFn: () => call(api.GET('/v1/admin/proxies/all')) })
  return computed<Choices>(() => ({ groups: groups.data.value ?? [], proxies: proxies.data.value ?? [] }))
}
