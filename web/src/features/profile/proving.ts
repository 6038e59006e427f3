import { useQuery } from '@tanstack/vue-query'
import { computed } from 'vue'
import { useI18n } from 'vue-i18n'

import { api, call } from '@/api/client'
import { proofToken } from '@/features/auth/proof'
import type { FormField, Values } from '@/shared/form'

/** How the reader proves who they are before a change: the password, a mailed code, or a fresh sign-in at a provider. */
export function useProving() {
  const { t } = useI18n()
  const found = useQuery({ queryKey: ['identities', 'proof'], queryFn: () => call(api.GET('/v1/user/totp/verification-method')) })
  const way = computed(() => (proofToken() ? 'proven' : found.data.value?.method || 'password'))
  const providers = computed(() => found.data.value?.providers ?? [])

  const fields = computed<FormField[]>(() => {
    if (way.value === 'password') return [{ name: 'password', kind: 'password', required: true }]
    return way.value === 'email' ? [{ name: 'email_code', label: t('user.proof.code'), required: true }] : []
  })

  function proofOf(values: Values) {
    return { password: String(values.password ?? ''), email_code: String(values.email_code ?? '').trim(), proof_token: proofToken() }
  }

  return { way, providers, fields, proofOf }
}
