import { QueryClient } from '@tanstack/vue-query'

import { ApiError } from '@/api/errors'

/** Reads are repeated when the gateway was out of reach, never when it said no. */
export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      refetchOnWindowFocus: true,
      retry: (count, error) => count < 2 && (!(error instanceof ApiError) || error.status >= 500),
    },
  },
})
