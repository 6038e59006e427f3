import { ref } from 'vue'

import { ApiError, messageOf } from '@/api/errors'

interface Telling {
  /** What went wrong, for the reader; the gateway's own words where a page has none of its own. */
  sentence?: (error: unknown) => string
  onFailure?: (error: unknown) => void
}

/** Trying something: whether it is on its way, what went wrong in a sentence, and which fields it is about. */
export function useAttempt({ sentence = messageOf, onFailure }: Telling = {}) {
  const isBusy = ref(false)
  const problem = ref('')
  const problems = ref<Readonly<Record<string, string>>>({})

  async function attempt(step: () => Promise<unknown>): Promise<void> {
    isBusy.value = true
    problem.value = ''
    problems.value = {}
    try {
      await step()
    } catch (error) {
      problem.value = sentence(error)
      if (error instanceof ApiError) problems.value = error.fields
      onFailure?.(error)
    } finally {
      isBusy.value = false
    }
  }

  return { isBusy, problem, problems, attempt }
}
