// Drives the real gateway with a real browser: node e2e/run.mjs URL EMAIL PASSWORD KEY SIMULATOR SCREENS
// Prints one line a check and fails at the first that does not hold.
import { readFileSync, existsSync, mkdirSync } from 'node:fs'
import { chromium } from 'playwright-core'

const [url, email, password, key, simulator, screens] = process.argv.slice(2)
const BROWSERS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
const executablePath = BROWSERS.find((path) => existsSync(path))
const EVIL = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>"'{{7*7}} \u202eתוֹרָה`
// Of this run: it can be repeated on the same data.
const RUN = Date.now().toString(36)
const GROUP = `group ${RUN}`
const MAIL = `${RUN}@example.com`
mkdirSync(screens, { recursive: true })
const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, colorScheme: 'light', locale: 'en-US' })
const page = await context.newPage()
page.setDefaultTimeout(45_000)
const complaints = []
page.on('pageerror', (error) => complaints.push(error.message))
page.on('console', (message) => {
  if (message.type() === 'error' && !/status of 4\d\d/.test(message.text())) complaints.push(message.text())
})


function ok(what, holds = true) {
  if (!holds) throw new Error(what)
  console.log(`ok: ${what}`)
}
/** As `ok`, but the run goes on: all that is wrong with the pages is seen at once. */
const wrong = []
function note(what, holds) {
  if (!holds) wrong.push(what)
  console.log(`${holds ? 'ok' : 'NOT OK'}: ${what}`)
}
const button = (name, within = page) => within.getByRole('button', { name, exact: true })
const dialog = () => page.getByRole('dialog')
const open = async (path) => {
  await page.goto(`${url}/${path}`)
  await page.getByRole('heading', { level: 1 }).waitFor()
}
/** What was asked for is shown. The live stream never ends, so the network is never idle. */
async function settled() {
  await page.waitForFunction(() => !document.querySelector('.p-skeleton'))
  await page.evaluate(() => Promise.allSettled(document.getAnimations().filter((one) => one.effect?.getTiming().iterations !== Infinity).map((one) => one.finished)))
}
async function choose(field, option) {
  await dialog().locator(`#field-${field}-label + *`).click()
  await page.getByRole('option', { name: option }).first().click()
}
async function save(name = 'Save') {
  await button(name, dialog()).click()
  await dialog().locator('form', { has: button(name) }).waitFor({ state: 'detached' })
}

async function logIn() {
  await open('admin/users')
  ok('who is not logged in is sent to the login', page.url().includes('/login?next='))
  await page.fill('input[name=email]', email)
  await page.fill('input[name=password]', 'wrong-password')
  await button('Log in').click()
  await page.getByRole('alert').waitFor()
  await page.fill('input[name=password]', password)
  await button('Log in').click()
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
    await settled()
    await page.screenshot({ path: `${screens}/${name}.png` })
    await accessible(name)
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
  await button('Set password').click()
  await page.getByRole('alert').waitFor()
  await open('auth/company/callback#error=provider_error&error_message=access_denied')
  await looked('callback-error', 'you cancelled there. (access_denied)')
  ok('the answer of a provider is not in the address', page.url() === `${url}/auth/company/callback`)
  await open('auth/company/callback#login_token=forged&redirect=%2Fkeys')
  await page.getByText('This way of logging in is switched off').waitFor()
  await open('key-usage')
  await page.fill('#key-usage-key', key)
  await button('Show usage').click()
  await page.locator('[data-test=key-usage]').waitFor()
  await looked('key-usage', 'This key works')
  ok('a key shows its usage without a login and is in no address', !page.url().includes(key))
}

/** A newcomer in a browser of its own, with an invitation. */
async function register() {
  const invited = await page.evaluate(async () => {
    const csrf = /headgate_csrf=([^;]+)/.exec(document.cookie)[1]
    const headers = { 'X-CSRF-Token': csrf, 'Content-Type': 'application/json' }
    const ask = (method, path, body) =>
      fetch(`/api/v1/admin/${path}`, { method, headers, body: JSON.stringify(body) }).then((answer) => answer.json())
    await ask('PUT', 'settings', { registration_enabled: true, invitation_code_enabled: true })
    return (await ask('POST', 'redeem-codes/generate', { type: 'invitation', count: 1 })).data
  })
  const guest = await (await browser.newContext({ locale: 'zh-CN' })).newPage()
  await guest.goto(`${url}/login`)
  await guest.getByRole('link', { name: '注册账号' }).click()
  guest.setDefaultTimeout(45_000)
  await guest.locator('input[name=invitation]').waitFor()
  await guest.fill('input[name=email]', `new-${MAIL}`)
  await guest.fill('input[name=password]', 'a long enough password 3')
  await guest.fill('input[name=invitation]', 'wrong')
  await guest.locator('button[type=submit]').click()
  await guest.getByRole('alert').filter({ hasText: '邀请码无效' }).waitFor()
  await guest.screenshot({ path: `${screens}/register-zh.png` })
  await guest.fill('input[name=invitation]', JSON.stringify(invited).match(/"code":"([^"]+)"/)[1])
  await guest.locator('button[type=submit]').click()
  await guest.waitForURL(`${url}/dashboard`)
  ok('whoever is invited registers and is logged in')
  await guest.context().close()
}

async function createAll() {
  await open('admin/groups')
  await button('Create').click()
  await page.fill('#field-name', GROUP)
  await page.fill('#field-description', EVIL)
  await save()
  await page.getByText(GROUP).waitFor()
  await open('admin/accounts')
  await button('Create').click()
  await page.locator('[data-test=kind-anthropic-apikey]').click()
  await page.fill('#field-name', `acc ${EVIL}`)
  await page.fill('#field-secret', `sim-${RUN}`)
  await page.fill('#field-base_url', simulator)
  await button('Continue', dialog()).click()
  await choose('group_ids', new RegExp(GROUP))
  await page.fill('#field-notes', 'made by a browser')
  await button('Create', dialog()).click()
  await button('Test', dialog()).click()
  await page.locator('[data-test=test-result]', { hasText: '✓' }).waitFor()
  ok('a new account answers its connection test')
  await button('Open the account', dialog()).click()
  await page.getByText('Live capacity').waitFor()
  await settled()
  await accessible('account')
  await page.screenshot({ path: `${screens}/account.png`, fullPage: true })
  await open('admin/users')
  await button('Create').click()
  await page.fill('#field-email', MAIL)
  await page.fill('#field-password', 'short')
  await button('Save', dialog()).click()
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
  await button('Create key').first().click()
  await page.fill('#field-name', 'browser key')
  await choose('group_id', /anthropic-demo/)
  await save()
  await page.getByText('This is the only time').waitFor()
  ok('the key is shown once, with settings for Claude Code', (await dialog().innerText()).includes('ANTHROPIC_BASE_URL'))
  await page.screenshot({ path: `${screens}/use-key.png` })
  const beside = await context.newPage()
  await beside.goto(`${url}/admin/usage`)
  await beside.locator('[data-test=live][data-status=live]').waitFor()
  const lines = () => beside.locator('tbody button').count()
  const before = await lines()
  await open('playground')
  await page.fill('#play-key', key)
  await page.fill('textarea', 'hello')
  await button('Send').click()
  await page.locator('[data-test=conversation] p').nth(1).filter({ hasText: /\w{3}/ }).waitFor()
  await button('Send').waitFor()
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
  await page.screenshot({ path: `${screens}/explain.png` })
}

const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8')
async function accessible(path) {
  // Through the debugger, which the page's policy does not bind.
  await page.evaluate(`${axe};undefined`)
  const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }))
  const serious = found.violations.filter((item) => ['serious', 'critical'].includes(item.impact))
  note(`${path}: axe finds nothing serious ${serious.map((item) => `${item.id} ${item.nodes[0].html.slice(0, 200)}`).join('; ')}`, serious.length === 0)
}

try {
  await publicPages()
  await logIn()
  await register()
  await createAll()
  await keyAndRequest()
  ok(`nothing is wrong with the pages ${wrong.join('; ')}`, wrong.length === 0)
  ok('foreign text ran nowhere', !(await page.evaluate(() => 'hacked' in window)))
  ok(`no error in the console ${complaints.join('; ')}`, complaints.length === 0)
} catch (error) {
  await page.screenshot({ path: `${screens}/failed.png` }).catch(() => undefined)
  console.error(`FAILED at ${page.url()}: ${error.message}`)
  process.exitCode = 1
} finally {
  await browser.close()
}
