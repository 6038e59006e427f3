import { ref } from 'vue'

/**
 * What a proof was asked for is done once its owner is back from the provider: the whole page is left for it.
 * Of this tab only, and no secret.
 */
const KEY = 'headgate.prove-for'

const held = ref<{ token: string; until: number }>()

/** That somebody signed in at a provider a moment ago. In this page's memory only; it counts for minutes. */
export const proofToken = (): string => (held.value && held.value.until > Date.now() ? held.value.token : '')

export function holdProof(token: string, seconds: number): void {
  // A little earlier than the gateway: what is sent at the last moment would be refused.
  held.value = { token, until: Date.now() + (seconds - 5) * 1000 }
}

export function dropProof(): void {
  held.value = undefined
}

export const setIntent = (intent: string): void => sessionStorage.setItem(KEY, intent)

/** Given up: cancelled, or refused at the provider. */
export const dropIntent = (): void => sessionStorage.removeItem(KEY)

/** What follows the prefix in what was asked for, once, and only by whoever has the proof now. */
export function takeIntent(prefix: string): string | undefined {
  const intent = sessionStorage.getItem(KEY)
  if (!intent?.startsWith(`${prefix}:`) || !proofToken()) return undefined
  dropIntent()
  return intent.slice(prefix.length + 1)
}
