// People whose accounts need protection, and whose money ends: node e2e/people.mjs URL EMAIL PASSWORD ISSUER CLIENT SECRET SCREENS
import { createHmac } from 'node:crypto'

import { asking, button, openStage, play, settled } from './stage.mjs'

const [url, email, password, issuer, client, clientSecret, screens] = process.argv.slice(2)
const stage = await openStage(url, screens)
const { ok, shot, accessible } = stage
const page = await stage.person()
page.setDefaultTimeout(15_000)
const FIRST = 'a first password 7'
const dialog = () => page.getByRole('dialog')

const open = (path) => stage.open(page, path)
const ask = asking(page)
const enter = (who, secret) => stage.enter(page, who, secret)

/** RFC 6238: what an authenticator app shows. `ahead` steps of 30 s: no code is taken twice. */
function codeOf(secret, ahead = 0) {
  const bits = [...secret].map((char) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(char).toString(2).padStart(5, '0')).join('')
  const key = Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)))
  const counter = Buffer.alloc(8)
  counter.writeBigUInt64BE(BigInt(Math.floor(Date.now() / 30_000) + ahead))
  const digest = createHmac('sha1', key).update(counter).digest()
  return String((digest.readUInt32BE(digest[19] & 15) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}

let redeemable
async function prepare() {
  await enter(email, password)
  await page.waitForURL(`${url}/dashboard`)
  await ask('PUT', 'admin/settings', { frontend_url: url, oauth_registration_enabled: true, totp_enabled: true })
  await ask('PUT', 'admin/settings/oauth-providers/corp', { name: 'Corp', issuer, client_id: client, client_secret: clientSecret })
  redeemable = JSON.stringify(await ask('POST', 'admin/redeem-codes/generate', { type: 'balance', count: 1, value: 3 })).match(/"code":"([^"]+)"/)[1]
  await page.context().clearCookies()
}

async function comeByProvider() {
  await open('login')
  await page.getByRole('button', { name: 'Continue with Corp' }).or(page.getByRole('link', { name: 'Continue with Corp' })).click()
  await page.waitForURL(`${url}/dashboard`)
  ok('who is known to a provider comes in through it')
}

let secret
async function protect() {
  await open('profile')
  await button(page, 'Switch on').click()
  await dialog().getByText('You have no password yet').waitFor()
  await settled(page)
  await accessible(page, 'proof')
  await shot(page, 'people-proof')
  await page.route('**/identities/corp/prove', (route) => route.fulfill({ json: { code: 0, message: 'success', data: { authorize_url: '#there' } } }))
  await button(dialog(), 'Continue with Corp').click()
  await page.waitForURL(`${url}/profile#there`)
  const asked = () => page.evaluate(() => sessionStorage.getItem('headgate.prove-for') ?? localStorage.getItem('headgate.prove-for'))
  ok('what the proof is for is kept for the way back', (await asked())?.startsWith('totp:'))
  await button(dialog(), 'Cancel').click()
  await dialog().waitFor({ state: 'detached' })
  ok('and given up with Cancel', (await asked()) === null)
  await page.unroute('**/identities/corp/prove')
  await button(page, 'Switch on').click()
  await button(dialog(), 'Continue with Corp').click()
  await page.waitForURL(`${url}/profile`)
  await dialog().getByText('You have just proven who you are').waitFor()
  ok('a fresh sign-in leads back to what was asked for')
  await button(dialog(), 'Continue').click()
  secret = (await dialog().locator('pre').innerText()).trim()
  await page.fill('#field-totp_code', codeOf(secret))
  await button(dialog(), 'Continue').click()
  await page.getByText('Switched on').waitFor()
  ok('two-factor login is switched on without a password')
  const recovery = (await page.locator('pre').first().innerText()).trim().split(/\s+/)
  await button(page, 'Set a first password').click()
  await page.fill('#field-new_password', FIRST)
  await button(dialog(), 'Continue').click()
  await dialog().waitFor({ state: 'detached' })
  await button(page, 'Change password').waitFor()
  ok('the proof sets a first password as well, which is then one to change')
  const kept = await page.evaluate(() => location.href + JSON.stringify({ ...localStorage, ...sessionStorage }))
  ok('nothing of the proof stays in the address or in the browser', !/prove|login_token/.test(kept))
  return recovery
}

async function comeBack(recovery) {
  const { email: name } = await ask('GET', 'auth/me')
  await page.context().clearCookies()
  await enter(name, FIRST)
  await page.fill('input[name=code]', '000000')
  await page.locator('form button[type=submit]').click()
  await page.getByRole('alert').waitFor()
  await settled(page)
  await accessible(page, 'second step')
  await page.fill('input[name=code]', codeOf(secret, 1))
  await page.locator('form button[type=submit]').click()
  await page.waitForURL(`${url}/dashboard`)
  ok('a wrong code is refused, the one of the app logs in')
  await page.context().clearCookies()
  await enter(name, FIRST)
  await page.fill('input[name=code]', recovery[0])
  await page.locator('form button[type=submit]').click()
  await page.waitForURL(`${url}/dashboard`)
  await open('profile')
  await page.getByText(`${recovery.length - 1} recovery codes left`).waitFor()
  ok('a recovery code logs in, once')
}

async function moneyEnds() {
  const groups = await ask('GET', 'groups/available')
  const { key } = await ask('POST', 'keys', { name: 'people', group_id: groups.find((group) => group.platform === 'anthropic').id })
  await open('playground')
  await page.fill('#play-key', key)
  await page.fill('textarea', 'the work that must stay')
  await button(page, 'Send').click()
  const trouble = page.getByRole('alert').filter({ hasText: 'balance' })
  await trouble.waitFor()
  ok('what was written stays when the balance is spent', (await page.inputValue('textarea')) === 'the work that must stay')
  await settled(page)
  await accessible(page, 'out of balance')
  await shot(page, 'people-out-of-balance')
  ok('a refused request costs nothing', (await page.locator('[data-test=cost]').innerText()) === '–')
  await trouble.getByRole('link', { name: 'Redeem a code' }).click()
  await page.fill('#code', 'no-such-code')
  await button(page, 'Redeem').click()
  await page.getByRole('alert').first().waitFor()
  await page.fill('#code', redeemable)
  await button(page, 'Redeem').click()
  await page.getByText('$3.00').first().waitFor()
  ok('a code of 3 USD is redeemed')
  await open('playground')
  await page.fill('#play-key', key)
  await page.fill('textarea', 'on we go')
  await button(page, 'Send').click()
  await page.locator('[data-test=conversation] p').nth(1).filter({ hasText: /\w{3}/ }).waitFor()
  ok('and the work goes on')
}

let recovery
await play(stage, page, [
  ['prepared', prepare],
  ['in through a provider', comeByProvider],
  ['protected', async () => (recovery = await protect())],
  ['back with a second factor', () => comeBack(recovery)],
  ['out of balance', moneyEnds],
])
