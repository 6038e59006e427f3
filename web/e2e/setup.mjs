// From an empty directory to the first streamed answer: node e2e/setup.mjs URL TOKEN SIMULATOR SCREENS
import { button, openStage, play, settled, themed } from './stage.mjs'

const [url, token, simulator, screens] = process.argv.slice(2)
const ADMIN = { email: 'root@example.com', password: 'a long password 7' }
const stage = await openStage(url, screens)
const page = await stage.person()
const { ok } = stage
const began = Date.now()

async function look(name) {
  await settled(page)
  await stage.shot(page, `setup-${name}-light`)
  await stage.accessible(page, `setup ${name}`)
  await themed(page, 'dark')
  await stage.shot(page, `setup-${name}-dark`)
  await stage.accessible(page, `setup ${name} in the dark`)
  await themed(page, 'light')
}

async function install() {
  await page.goto(`${url}/admin/accounts`)
  await page.waitForURL(`${url}/setup`)
  ok('before the set-up every page leads to it')
  await page.fill('input[name=token]', 'wrong')
  await look('token')
  await button(page, 'Next').click()
  await button(page, 'Test').click()
  await page.getByRole('alert').filter({ hasText: 'printed on the console' }).waitFor()
  ok('a wrong token is refused and it is said where the right one is')
  await button(page, 'Back').click()
  await page.fill('input[name=token]', token)
  await button(page, 'Next').click()
  await button(page, 'PostgreSQL').click()
  await page.fill('input[name=db-host]', '127.0.0.1')
  await page.locator('.p-inputnumber-input').first().fill('1')
  await button(page, 'Test').click()
  await page.getByRole('alert').filter({ hasText: 'Connection failed' }).waitFor()
  ok('a database that is not there is told before anything is installed')
  await look('database')
  await button(page, 'One file').click()
  await button(page, 'Test').click()
  await page.locator('[data-test=tested]').waitFor()
  await button(page, 'Next').click()
  await page.fill('input[name=email]', ADMIN.email)
  await page.fill('input[name=password]', ADMIN.password)
  await look('administrator')
  await button(page, 'Install').click()
  await page.waitForURL(`${url}/admin/start`)
  ok('it installs, the gateway starts under the page, and the administrator is logged in')
}

async function firstAnswer() {
  await page.fill('#start-secret', 'not-a-key-of-the-simulator')
  await page.fill('#start-address', 'http://127.0.0.1:9')
  await button(page, 'Save and test').click()
  await page.getByRole('alert').waitFor()
  ok('an account that does not answer says why')
  await look('account')
  await page.fill('#start-secret', 'sim-setup')
  await page.fill('#start-address', simulator)
  await button(page, 'Save and test').click()
  await page.locator('[data-test=account-works]').waitFor()
  ok('the first account answers its test')
  await button(page, 'Next').click()
  await look('key')
  await button(page, 'Create key').click()
  await page.getByText('This is the only time').waitFor()
  await button(page, 'Try it').click()
  await button(page, 'Send').click()
  await page.locator('[data-test=first-answer]').waitFor()
  const said = await page.locator('[data-test=answer]').innerText()
  ok(`the first answer is streamed ${((Date.now() - began) / 1000).toFixed(1)} s after the page opened`, said.length > 3)
  await page.getByText(/It cost \$/).waitFor()
  ok('and what it cost is shown')
  await look('answer')
  await page.goto(`${url}/setup`)
  await page.getByText('Headgate is installed').waitFor()
  ok('the set-up is closed afterwards')
}

await play(stage, page, [
  ['set-up', install],
  ['first answer', firstAnswer],
])
