import type { Schemas } from '@/api/client'
import type { Values } from '@/shared/form'

type Provider = Schemas['ProviderView']
const DEFAULTS: Values = { kind: 'oidc', enabled: true, scopes: 'openid email profile', token_auth_method: 'client_secret_basic', use_pkce: true, trust_verified_email: false, client_secret: '' }

/** What the form begins with: the provider, or a preset over what is usual. */
export function startOf(provider: Provider | undefined, preset: string, presets: Readonly<Record<string, Values>>): Values {
  if (provider) return { ...provider, client_secret: '' }
  return { ...DEFAULTS, slug: preset, ...(presets[preset] ?? {}) }
}

const SHOWN_ONLY = new Set(['slug', 'callback_url', 'client_secret_configured'])

/** A provider is written as a whole; an empty secret stays away, so that the stored one stays. */
export function bodyOf(values: Values): Values {
  return Object.fromEntries(Object.entries(values).filter(([name, value]) => !SHOWN_ONLY.has(name) && !(name === 'client_secret' && !value)))
}
