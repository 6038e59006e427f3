export interface Transfer {
  document: Record<string, unknown>
  names: string[]
  proxies: number
}

/** What a file holds, before anything is made of it; or why it is none of ours. */
export function readTransfer(text: string): Transfer | 'json' | 'kind' {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return 'json'
  }
  const inner = isObject(document) && isObject(document.data) ? document.data : document
  if (!isObject(inner) || !Array.isArray(inner.accounts)) return 'kind'
  const names = inner.accounts.map((account: unknown) => (isObject(account) && typeof account.name === 'string' ? account.name : '?'))
  return { document: inner, names, proxies: Array.isArray(inner.proxies) ? inner.proxies.length : 0 }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
