import { ref } from 'vue'
import { useI18n } from 'vue-i18n'

import { ApiError, messageOf } from '@/api/errors'

/** Trying something: whether it is on its way, and in a sentence what went wrong. */
export function useAttempt(onFailure: (error: unknown) => void = () => undefined) {
  const { t, te } = useI18n()
  const isBusy = ref(false)
  const problem = ref('')

  function sentence(error: unknown): string {
    if (!(error instanceof ApiError)) return t('auth.unreachable')
    if (error.reason && te(`auth.reason.${error.reason}`)) return t(`auth.reason.${error.reason}`, error.fields)
    return error.status === 429 ? t('auth.tooMany') : messageOf(error)
  }

  async function attempt(step: () => Promise<void>): Promise<void> {
    isBusy.value = true
    problem.value = ''
    try {
      await step()
    } catch (error) {
      problem.value = sentence(error)
      onFailure(error)
    } finally {
      isBusy.value = false
    }
  }

  return { isBusy, problem, attempt }
}
