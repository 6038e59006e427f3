import type { Schemas } from '@/api/client'

export type Model = Schemas['CatalogueModel']
/** What the catalogues of users and of strangers have in common. */
export interface Offer {
  group: { id: number; name: string; description: string; platform: string; subscription_type: string }
  rate_multiplier: number
  models: readonly Model[]
}

/** Groups with the models that match; groups without a match are left out, unless nothing is asked for. */
export function search(offers: readonly Offer[], text: string, platform: string): Offer[] {
  const wanted = text.trim().toLowerCase()
  return offers
    .filter((offer) => platform === '' || offer.group.platform === platform)
    .map((offer) => ({ ...offer, models: offer.models.filter((found) => found.model.toLowerCase().includes(wanted)) }))
    .filter((offer) => wanted === '' || offer.models.length > 0)
}

export const platformsOf = (offers: readonly Offer[]): string[] => [...new Set(offers.map((offer) => offer.group.platform))]
