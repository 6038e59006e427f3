// Prices, webhooks and the configuration, changed by administrators and read by others:
// node e2e/office.mjs URL EMAIL PASSWORD KEY SCREENS
import { createHmac } from 'node:crypto'
import { createServer } from 'node:http'

import { asking, button, openStage, play, settled, themed } from './stage.mjs'

const [url, email, password, key, screens] = process.argv.slice(2)
const RUN = Date.now().toString(36)
const MODEL = 'claude-sonnet-5-5'
const PASSWORD = `pass-${RUN}-word`
const stage = await openStage(url, screens)
const { ok, note, shot, accessible } = stage
const page = await stage.person()
page.setDefaultTimeout(20_000)
const ask = asking(page)
const dialog = () => page.getByRole('dialog')

async function open(path, who = page) {
  await stage.open(who, path)
  await settled(who)
}
/** The page, or what is open on it, in both themes and in Chinese, with axe. */
async function look(name) {
  await settled(page)
  await shot(page, `office-${name}-light`)
  await accessible(page, name)
  await themed(page, 'dark')
  await shot(page, `office-${name}-dark`)
  await accessible(page, `${name} in the dark`, ['color-contrast'])
  await themed(page, 'light')
}
const confirm = () => page.getByRole('alertdialog').getByRole('button', { name: 'Yes' }).click()
const fill = async (name, value) => {
  await page.fill(`#field-${name}`, String(value))
  await page.locator(`#field-${name}`).blur()
}

async function prepare() {
  const body = JSON.stringify({ model: MODEL, max_tokens: 200, messages: [{ role: 'user', content: `tell ${RUN}` }] })
  const headers = { 'x-api-key': key, 'anthropic-version': '2023-06-01', 'content-type': 'application/json' }
  const answer = await fetch(`${url}/v1/messages`, { method: 'POST', headers, body })
  ok(`there is usage to price (${answer.status})`, answer.status === 200)
  await stage.enter(page, email, password)
  await page.waitForURL(`${url}/dashboard`)
}

const priced = async () => (await ask('GET', 'admin/prices')).items.find((each) => each.model === MODEL)
const facts = (name) => dialog().locator('dl').first().locator('div').filter({ hasText: name }).locator('dd')
async function prices() {
  await open('admin/prices')
  await button(page, 'Create').click()
  await page.fill('#field-model', MODEL)
  await fill('input', 3)
  await fill('output', 15)
  await button(dialog(), 'Save price').click()
  await dialog().waitFor({ state: 'detached' })
  await page.getByRole('row', { name: new RegExp(MODEL) }).waitFor()
  ok('a price of our own is in the list and on the server', (await priced()).output === 15)

  await page.getByRole('row', { name: new RegExp(MODEL) }).getByText(MODEL).click()
  await fill('input', 300)
  await fill('output', 1500)
  await button(dialog(), 'What would change?').click()
  await facts('With the change').waitFor()
  const [present, candidate] = await Promise.all(['At present', 'With the change'].map(async (name) => Number((await facts(name).innerText()).replace(/[^\d.]/g, ''))))
  ok(`the preview prices the usage again: $${present} -> $${candidate}`, present > 0 && candidate > 20 * present)
  ok('and names the model', await dialog().getByRole('listitem').filter({ hasText: MODEL }).isVisible())
  ok('looking changes nothing', (await priced()).output === 15)
  ok('and is in view with its button', await button(dialog(), 'Save price').evaluate((one) => one.getBoundingClientRect().bottom <= one.closest('[role=dialog]').getBoundingClientRect().bottom))
  await look('price-preview')
  await fill('output', 1000)
  await facts('With the change').waitFor({ state: 'detached' })
  ok('a preview goes when what it spoke of is changed')
  await button(dialog(), 'What would change?').click()
  await facts('With the change').waitFor()
  await button(dialog(), 'Save price').click()
  await dialog().waitFor({ state: 'detached' })
  await page.getByRole('row', { name: new RegExp(MODEL) }).getByText('$1,000').waitFor()
  ok('the price is changed', (await priced()).output === 1000)
  await button(page.getByRole('status'), 'Undo').click()
  await page.getByRole('row', { name: new RegExp(MODEL) }).getByText('$15.00').waitFor()
  ok('and taken back', (await priced()).output === 15 && (await priced()).input === 3)
}

/** What listens; it knows the secret that the page showed, and says whether events are signed with it. */
function receiver() {
  const heard = { status: 204, secret: '', events: [] }
  const server = createServer((request, response) => {
    const parts = []
    request.on('data', (part) => parts.push(part))
    request.on('end', () => {
      const body = Buffer.concat(parts).toString()
      const { 'webhook-id': id, 'webhook-timestamp': at, 'webhook-signature': signature } = request.headers
      const made = createHmac('sha256', Buffer.from(heard.secret.replace(/^whsec_/, ''), 'base64')).update(`${id}.${at}.${body}`).digest('base64')
      heard.events.push({ ...JSON.parse(body), isSigned: signature.split(' ').includes(`v1,${made}`) })
      response.writeHead(heard.status).end()
    })
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve({ heard, server, address: `http://127.0.0.1:${server.address().port}/hook` })))
}
const pay = (user, n) => ask('POST', 'admin/redeem-codes/create-and-redeem', { code: `order-${RUN}-${n}`, type: 'balance', value: 2, user_id: user })
async function heardOf(heard, many) {
  for (let n = 0; n < 200 && heard.events.length < many; n += 1) await page.waitForTimeout(100)
  ok(`${many} events are heard`, heard.events.length >= many)
}
async function webhooks() {
  const { heard, server, address } = await receiver()
  const name = `ops ${RUN}`
  const deliveries = page.getByRole('region', { name: 'Deliveries' })
  try {
    await open('admin/webhooks')
    await button(page, 'Create').click()
    await page.fill('#field-name', name)
    await page.fill('#field-url', address)
    await button(dialog(), 'Save').click()
    await dialog().getByText('the only time').waitFor()
    heard.secret = (await dialog().locator('pre').last().innerText()).trim()
    await shot(page, 'office-webhook-secret')
    await button(dialog(), 'Close').first().click()
    const row = page.getByRole('row', { name: new RegExp(name) })
    await button(row, `Test: ${name}`).click()
    await page.getByText('The test event was delivered').waitFor()
    ok('a test is heard, signed with the secret that was shown', heard.events.length === 1 && heard.events[0].isSigned)
    ok('of a test nothing is listed, and the page says so', await deliveries.getByText('tests are not listed here').isVisible())
    heard.events.length = 0
    const paid = await ask('POST', 'admin/users', { email: `paid-${RUN}@example.com`, password: PASSWORD })
    await pay(paid.id, 1)
    await heardOf(heard, 1)
    ok('a payment is told, signed', heard.events[0].type === 'payment.credited' && heard.events[0].isSigned && heard.events[0].data.user_id === paid.id)
    await deliveries.getByRole('listitem').getByText('Delivered').waitFor()
    ok('and is in the list of deliveries', (await ask('GET', 'admin/webhooks/deliveries')).total === 1)
    await deliveries.getByRole('button', { name: new RegExp(name) }).first().click()
    await dialog().getByText(heard.events[0].id).first().waitFor()
    ok('which shows what was sent', (await dialog().locator('pre').innerText()).includes(String(paid.id)))
    await look('webhook-delivery')
    await button(dialog(), 'Close').first().click()
    await deliveries.getByRole('button', { name: 'Send again' }).first().click()
    await heardOf(heard, 2)
    ok('what is sent again comes again, as the same event', heard.events[1]?.id === heard.events[0].id && heard.events[1].isSigned)
    heard.status = 500
    await button(row, `Test: ${name}`).click()
    await page.getByText('That did not work').or(page.locator('.p-toast-message-error')).first().waitFor()
    ok('a test that is refused says so')
    await pay(paid.id, 2)
    await heardOf(heard, 4)
    await deliveries.getByText('next attempt').waitFor()
    ok('a delivery that is refused is listed with the next attempt', await deliveries.getByText('Under way').isVisible())
    await look('webhooks')
  } finally {
    server.close()
  }
}

const grouped = async () => (await ask('GET', 'admin/groups?page_size=100')).items.find((each) => each.name === 'anthropic-demo')
async function configuration() {
  await open('admin/configuration')
  const document = page.getByRole('textbox', { name: 'Document' })
  const plan = page.getByRole('region', { name: 'What would change?' })
  const load = async () => {
    await document.fill('')
    await button(page, 'Load the present state').click()
    await page.waitForFunction(() => document.querySelector('textarea').value.length > 20)
    return JSON.parse(await document.inputValue())
  }
  const send = async (written, why) => {
    await document.fill(JSON.stringify(written, null, 2))
    await button(page, 'What would change?').click()
    await plan.getByText('anthropic-demo').first().waitFor()
    await page.getByRole('textbox', { name: 'Why' }).fill(why)
  }
  const rewritten = (written, multiplier) => {
    const group = Array.isArray(written.groups) ? written.groups.find((each) => each.name === 'anthropic-demo') : written.groups['anthropic-demo']
    group.rate_multiplier = multiplier
    return written
  }
  const before = (await grouped()).rate_multiplier
  await document.fill('{')
  await button(page, 'What would change?').click()
  await page.getByText('This is no JSON.').waitFor()
  await send(rewritten(await load(), 1.25), 'dearer')
  ok('a plan says what it was and what it becomes', /rate_multiplier[^]*1\.25/.test(await plan.innerText()))
  ok('and changes nothing', (await grouped()).rate_multiplier === before)
  await look('config-plan')
  await button(page, 'Apply').click()
  await page.getByText('dearer').waitFor()
  ok('what was applied is a revision', (await grouped()).rate_multiplier === 1.25)
  await send(rewritten(await load(), 2), 'dearest')
  await button(page, 'Apply').click()
  await page.getByText('dearest').waitFor()
  await page.getByText('Nothing: all is as it should be.').waitFor()
  const [, first] = (await ask('GET', 'admin/config/revisions')).items
  await button(page, `Roll back #${first.number}`).click()
  await confirm()
  await page.getByText(`As after revision ${first.number}`).first().waitFor()
  await button(page, `Roll back #${first.number + 2}`).waitFor()
  ok('a rollback is a revision, and the group is as it was', (await grouped()).rate_multiplier === 1.25)
  await ask('PUT', `admin/groups/${(await grouped()).id}`, { rate_multiplier: 1.75 })
  await open('admin/configuration')
  await page.getByRole('region', { name: 'Since the last revision' }).getByText('1.75').waitFor()
  ok('what was changed by hand since is shown')
  await look('config')
}

/** Words of buttons that change something; only who may is to see them. */
const CHANGING = {
  'admin/prices': ['Create', 'Delete'],
  'admin/webhooks': ['Create', 'Test', 'Replay', 'New secret', 'Delete', 'Send again'],
  'admin/configuration': ['What would change?', 'Roll back'],
}
/** What is on each page once it is drawn. */
const DRAWN = { 'admin/prices': MODEL, 'admin/webhooks': `ops ${RUN}`, 'admin/configuration': 'dearest' }
const SEEN = {
  admin: CHANGING,
  auditor: { 'admin/prices': [], 'admin/webhooks': [], 'admin/configuration': [] },
  operator: { 'admin/prices': 'forbidden', 'admin/webhooks': ['Test', 'Replay', 'Send again'], 'admin/configuration': 'forbidden' },
}
async function roles() {
  for (const [role, pages] of Object.entries(SEEN)) {
    const who = `${role}-${RUN}@example.com`
    await ask('POST', 'admin/users', { email: who, password: PASSWORD, role })
    const other = await stage.person()
    await stage.enter(other, who, PASSWORD)
    await other.waitForURL(`${url}/dashboard`)
    for (const [path, seen] of Object.entries(pages)) {
      await open(path, other)
      if (seen === 'forbidden') {
        note(`${role} may not see ${path} (${other.url()})`, other.url().includes('/forbidden'))
        continue
      }
      await other.getByText(DRAWN[path]).first().waitFor()
      const shown = new Set(await other.locator('main button').allInnerTexts())
      const found = CHANGING[path].filter((word) => shown.has(word))
      note(`${role} on ${path} sees ${seen} (${found})`, found.join() === seen.join())
      await shot(other, `office-${role}-${path.slice(6)}`)
    }
    await other.context().close()
  }
}

async function chinese() {
  const other = await stage.person({ locale: 'zh-CN', colorScheme: 'dark' })
  await other.context().addCookies(await page.context().cookies())
  for (const path of Object.keys(CHANGING)) {
    await open(path, other)
    await shot(other, `office-${path.slice(6)}-zh-dark`)
  }
  await other.context().close()
}

await play(stage, page, [
  ['prepared', prepare],
  ['prices', prices],
  ['webhooks', webhooks],
  ['configuration', configuration],
  ['roles', roles],
  ['in Chinese', chinese],
])
