import type { Offer } from '@/features/catalogue/catalogue'

/** USD per million tokens, as they are for whoever looks. */
export interface Rates {
  input: number
  output: number
  cache_read: number
  cache_write_5m: number
}

export interface Counted {
  /** Tokens of input that were read anew. */
  input: number
  output: number
  cacheRead: number
  cacheWrite: number
}

/** The price of a model in the first group of the platform that has one. */
export function ratesOf(offers: readonly Offer[], platform: string, model: string): Rates | undefined {
  const prices = offers
    .filter((offer) => offer.group.platform === platform)
    .flatMap((offer) => offer.models.filter((found) => found.model === model).map((found) => found.price))
  return prices.find((price) => price !== null)?.effective
}

export const modelsOf = (offers: readonly Offer[], platform: string): string[] =>
  [...new Set(offers.filter((offer) => offer.group.platform === platform).flatMap((offer) => offer.models.map((found) => found.model)))]

const LETTERS_A_TOKEN = 4
/** Tokens of a text that nobody has counted yet: letters of wide scripts are about one each, others four to one. */
export function guessTokens(text: string): number {
  const wide = text.match(/[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]/gu)?.length ?? 0
  return Math.ceil(wide + (text.length - wide) / LETTERS_A_TOKEN)
}

/** USD. */
export function costOf(rates: Rates, counted: Counted): number {
  const { input, output, cacheRead, cacheWrite } = counted
  return (input * rates.input + output * rates.output + cacheRead * rates.cache_read + cacheWrite * rates.cache_write_5m) / 1_000_000
}
