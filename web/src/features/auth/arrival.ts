/** Pages whose address brings something that nobody else should read: a login token, a token of a letter. */
const CARRIES = /^\/(?:auth\/[^/]+\/callback|reset-password)\/?$/

/** Whether an address is one to be taken; one that is typed over an open page loads nothing by itself. */
export const isCarrying = (place: Location): boolean => CARRIES.test(place.pathname) && (place.hash || place.search) !== ''

let fragment = ''

/**
 * Before the router looks at the address: what it brings is kept in memory, and neither the address bar nor
 * the history has it any more. A reload has to begin again.
 */
export function arrive(place: Location, past: History): void {
  if (!isCarrying(place)) return
  fragment = place.hash.slice(1)
  past.replaceState(past.state, '', place.pathname)
}

/** Once. */
export function takeArrival(): URLSearchParams {
  const taken = new URLSearchParams(fragment)
  fragment = ''
  return taken
}

export type Handover =
  | { kind: 'error'; code: string; detail: string }
  | { kind: 'token'; token: string; next: string; purpose: 'link' | 'prove' | 'login' }
  | { kind: 'nothing' }

/** What the gateway's callback tells the page. Words of an address are not shown: anybody can write a link. */
export function readHandover(given: URLSearchParams): Handover {
  const code = given.get('error')
  if (code !== null) {
    const detail = given.get('error_message') ?? ''
    const isCode = code === 'provider_error' && /^[a-z_]{1,64}$/.test(detail)
    return { kind: 'error', code, detail: isCode ? detail : '' }
  }
  const token = given.get('login_token')
  if (!token) return { kind: 'nothing' }
  const purpose = given.get('link') === '1' ? 'link' : given.get('prove') === '1' ? 'prove' : 'login'
  return { kind: 'token', token, next: given.get('redirect') ?? '', purpose }
}
