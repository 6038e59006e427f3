import { describe, expect, it } from 'vitest'

import { ApiError } from '@/api/errors'

import { useAttempt } from './attempt'

const refused = new ApiError(422, 'BAD', 'name: too long', { name: 'too long' })

describe('an attempt', () => {
  it('is busy until its step is over', async () => {
    const { isBusy, attempt } = useAttempt()
    let finish = (): void => undefined
    const trying = attempt(() => new Promise<void>((resolve) => (finish = resolve)))
    expect(isBusy.value).toBe(true)
    finish()
    await trying
    expect(isBusy.value).toBe(false)
  })

  it('that fails says why and at which field, and tells its page', async () => {
    const told: unknown[] = []
    const { isBusy, problem, problems, attempt } = useAttempt({ onFailure: (error) => told.push(error) })
    await attempt(() => Promise.reject(refused))
    expect([isBusy.value, problem.value, problems.value, told]).toEqual([false, 'name: too long', { name: 'too long' }, [refused]])
  })

  it('forgets what went wrong before', async () => {
    const { problem, problems, attempt } = useAttempt({ sentence: () => 'No.' })
    await attempt(() => Promise.reject(refused))
    expect(problem.value).toBe('No.')
    await attempt(() => Promise.resolve())
    expect([problem.value, problems.value]).toEqual(['', {}])
  })
})
