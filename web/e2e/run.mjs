// Drives the real gateway with a real browser: node e2e/run.mjs URL EMAIL PASSWORD KEY SIMULATOR SCREENS
// Prints one line a check and fails at the first that does not hold.
import { asking, button, openStage, play, settled } from './stage.mjs'

const [url, email, password, key, simulator, screens] = process.argv.slice(2)
const EVIL = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>"'{{7*7}} \u202eתוֹרָה`
// Of this run: it can be repeated on the same data.
const RUN = Date.now().toString(36)
const GROUP = `group ${RUN}`
const MAIL = `${RUN}@example.com`
const stage = await openStage(url, screens)
const page = await stage.person()
const { ok, shot } = stage
const dialog = () => page.getByRole('dialog')
const open = (path) => stage.open(page, path)
const ask = asking(page)
async function choose(field, option) {
  await dialog().locator(`#field-${field}-label + *`).click()
  await page.getByRole('option', { name: option }).first().click()
}
async function save(name = 'Save') {
  await button(dialog(), name).click()
  await dialog().locator('form', { has: button(page, name) }).waitFor({ state: 'detached' })
}

async function logIn() {
  await open('admin/users')
  ok('who is not logged in is sent to the login', page.url().includes('/login?next='))
  await page.fill('input[name=email]', email)
  await page.fill('input[name=password]', 'wrong-password')
  await button(page, 'Log in').click()
  await page.getByRole('alert').waitFor()
  await page.fill('input[name=password]', password)
  await button(page, 'Log in').click()
  await page.waitForURL(`${url}/admin/users`)
  ok('after the login the page that was asked for is shown')
  await page.locator('[data-test=live][data-status=live]').waitFor()
  ok('the page hears the live stream')
  const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage }) + document.cookie)
  ok('no token where a script can read it', !/eyJ|headgate_session|headgate_refresh/.test(stored))
}

/** Nobody is logged in. Registration is closed in a demo; `register` opens it. */
async function publicPages() {
  await page.setViewportSize({ width: 1360, height: 860 })
  const looked = async (name, text) => {
    await page.getByText(text).first().waitFor()
    await settled(page)
    await shot(page, name)
    await stage.accessible(page, name)
  }
  await open('register')
  await page.getByText('Registration is closed').waitFor()
  await open('forgot-password')
  await page.getByText('not reset by letter').waitFor()
  await open('reset-password#email=a%40example.com&token=t0ken')
  await looked('reset', 'All sessions of this account end')
  const kept = await page.evaluate(() => location.href + JSON.stringify(history.state))
  ok('the token of a letter is not in the address', page.url() === `${url}/reset-password` && !kept.includes('t0ken'))
  await page.fill('input[name=password]', 'a long enough password 2')
  await button(page, 'Set password').click()
  await page.getByRole('alert').waitFor()
  await open('auth/company/callback#error=provider_error&error_message=access_denied')
  await looked('callback-error', 'you cancelled there. (access_denied)')
  ok('the answer of a provider is not in the address', page.url() === `${url}/auth/company/callback`)
  await open('auth/company/callback#login_token=forged&redirect=%2Fkeys')
  await page.getByText('This way of logging in is switched off').waitFor()
  await open('key-usage')
  await page.fill('#key-usage-key', key)
  await button(page, 'Show usage').click()
  await page.locator('[data-test=key-usage]').waitFor()
  await looked('key-usage', 'This key works')
  ok('a key shows its usage without a login and is in no address', !page.url().includes(key))
}

/** A newcomer in a browser of its own, with an invitation. */
async function register() {
  await ask('PUT', 'admin/settings', { registration_enabled: true, invitation_code_enabled: true })
  const invited = await ask('POST', 'admin/redeem-codes/generate', { type: 'invitation', count: 1 })
  const guest = await stage.person({ locale: 'zh-CN' })
  await guest.goto(`${url}/login`)
  await guest.getByRole('link', { name: '注册账号' }).click()
  await guest.locator('input[name=invitation]').waitFor()
  await guest.fill('input[name=email]', `new-${MAIL}`)
  await guest.fill('input[name=password]', 'a long enough password 3')
  await guest.fill('input[name=invitation]', 'wrong')
  await guest.locator('button[type=submit]').click()
  await guest.getByRole('alert').filter({ hasText: '邀请码无效' }).waitFor()
  await shot(guest, 'register-zh')
  await guest.fill('input[name=invitation]', JSON.stringify(invited).match(/"code":"([^"]+)"/)[1])
  await guest.locator('button[type=submit]').click()
  await guest.waitForURL(`${url}/dashboard`)
  ok('whoever is invited registers and is logged in')
  await guest.context().close()
}

async function createAll() {
  await open('admin/groups')
  await button(page, 'Create').click()
  await page.fill('#field-name', GROUP)
  await page.fill('#field-description', EVIL)
  await save()
  await page.getByText(GROUP).waitFor()
  await open('admin/accounts')
  await button(page, 'Create').click()
  await page.locator('[data-test=kind-anthropic-apikey]').click()
  await page.fill('#field-name', `acc ${EVIL}`)
  await page.fill('#field-secret', `sim-${RUN}`)
  await page.fill('#field-base_url', simulator)
  await button(dialog(), 'Continue').click()
  await choose('group_ids', new RegExp(GROUP))
  await page.fill('#field-notes', 'made by a browser')
  await button(dialog(), 'Create').click()
  await button(dialog(), 'Test').click()
  await page.locator('[data-test=test-result]', { hasText: '✓' }).waitFor()
  ok('a new account answers its connection test')
  await button(dialog(), 'Open the account').click()
  await page.getByText('Live capacity').waitFor()
  await settled(page)
  await stage.accessible(page, 'account')
  await page.screenshot({ path: `${screens}/account.png`, fullPage: true })
  await open('admin/users')
  await button(page, 'Create').click()
  await page.fill('#field-email', MAIL)
  await page.fill('#field-password', 'short')
  await button(dialog(), 'Save').click()
  await dialog().getByRole('alert').first().waitFor()
  ok('a bad value is refused at the form, which stays')
  await page.fill('#field-password', 'a long enough password 1')
  await page.fill('#field-username', EVIL)
  await save()
  await page.getByText(MAIL).first().waitFor()
  ok('group, account and user are made')
}

async function keyAndRequest() {
  await open('keys')
  await button(page, 'Create key').first().click()
  await page.fill('#field-name', 'browser key')
  await choose('group_id', /anthropic-demo/)
  await save()
  await page.getByText('This is the only time').waitFor()
  ok('the key is shown once, with settings for Claude Code', (await dialog().innerText()).includes('ANTHROPIC_BASE_URL'))
  await shot(page, 'use-key')
  const beside = await page.context().newPage()
  await beside.goto(`${url}/admin/usage`)
  await beside.locator('[data-test=live][data-status=live]').waitFor()
  const lines = () => beside.locator('tbody button').count()
  const before = await lines()
  await open('playground')
  await page.fill('#play-key', key)
  await page.fill('textarea', 'hello')
  await button(page, 'Send').click()
  await page.locator('[data-test=conversation] p').nth(1).filter({ hasText: /\w{3}/ }).waitFor()
  await button(page, 'Send').waitFor()
  ok('the playground streams an answer')
  const sent = Date.now()
  while ((await lines()) === before && Date.now() - sent < 10_000) await page.waitForTimeout(50)
  ok(`a page that was open shows the request by itself after ${Date.now() - sent} ms`, (await lines()) > before)
  await beside.close()
  await open('admin/usage')
  await page.locator('tbody button').first().waitFor()
  ok(`the request is in the usage list after ${Date.now() - sent} ms`)
  await page.locator('tbody button').first().click()
  await dialog().getByText('Attempts').waitFor()
  ok('its explanation opens')
  await shot(page, 'explain')
}

async function nothingRan() {
  ok('foreign text ran nowhere', !(await page.evaluate(() => 'hacked' in window)))
}

await play(stage, page, [
  ['public pages', publicPages],
  ['logging in', logIn],
  ['registering', register],
  ['group, account, user', createAll],
  ['key and request', keyAndRequest],
  ['foreign text', nothingRan],
])
