import { computed, ref } from 'vue'

const WRONG_MS = 90_000

/** How far this computer's clock is ahead of the gateway's; 0 until the gateway has said its time. */
const aheadMs = ref(0)

export function learnServerTime(serverMs: number, now = Date.now()): void {
  const ahead = now - serverMs
  // Delays of the network are no wrong clock, and small steps must not make times flicker.
  if (Math.abs(ahead - aheadMs.value) > 2_000) aheadMs.value = Math.abs(ahead) > 2_000 ? ahead : 0
}

/** The gateway's time: what resets and cooldowns are measured by, whatever this computer's clock says. */
export const serverNow = (): number => Date.now() - aheadMs.value

/** Minutes that this computer's clock is fast (or slow, below zero); 0: near enough. */
export const wrongByMinutes = computed(() => (Math.abs(aheadMs.value) < WRONG_MS ? 0 : Math.round(aheadMs.value / 60_000)))
