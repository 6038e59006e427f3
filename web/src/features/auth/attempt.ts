import { useI18n } from 'vue-i18n'

import { ApiError, messageOf } from '@/api/errors'
import { useAttempt as useAnyAttempt } from '@/shared/attempt'

/** Trying something before one is signed in: what is refused there has sentences of its own. */
export function useAttempt(onFailure?: (error: unknown) => void) {
  const { t, te } = useI18n()

  function sentence(error: unknown): string {
    if (!(error instanceof ApiError)) return t('auth.unreachable')
    if (error.reason && te(`auth.reason.${error.reason}`)) return t(`auth.reason.${error.reason}`, error.fields)
    return error.status === 429 ? t('auth.tooMany') : messageOf(error)
  }

  return useAnyAttempt({ sentence, onFailure })
}
