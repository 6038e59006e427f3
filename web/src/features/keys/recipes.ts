import { EXAMPLE_MODELS } from '@/shared/exampleModels'

import { ccSwitchLink } from './ccSwitch'

export interface Block {
  title: string
  code: string
}
export interface Recipe {
  id: string
  name: string
  blocks: readonly Block[]
  /** Opens a program on this machine that takes the settings over. */
  link?: string
}
interface Target {
  base: string
  key: string
  model: string
}

const MODELS: Readonly<Record<string, string>> = EXAMPLE_MODELS

/** How to use a key of a group on `platform`, for every client that speaks its protocol. */
export function recipesFor(platform: string, base: string, key: string, site = 'Headgate', model = MODELS[platform] ?? 'gpt-5'): Recipe[] {
  const target = { base, key, model }
  if (platform === 'anthropic') return anthropic(target, site)
  if (platform === 'gemini') return gemini(target, site)
  return openai(target, site)
}

/** The same variables for each shell, and the program that reads them. */
function shells(variables: Readonly<Record<string, string>>, program: string): Block[] {
  const pairs = Object.entries(variables)
  const lines = (write: (name: string, value: string) => string): string => [...pairs.map(([name, value]) => write(name, value)), program].join('\n')
  return [
    { title: 'bash, zsh', code: lines((name, value) => `export ${name}="${value}"`) },
    { title: 'PowerShell', code: lines((name, value) => `$env:${name}="${value}"`) },
    { title: 'cmd.exe', code: lines((name, value) => `set ${name}=${value}`) },
  ]
}

function anthropic(target: Target, site: string): Recipe[] {
  const { base, key, model } = target
  const env = { ANTHROPIC_BASE_URL: base, ANTHROPIC_AUTH_TOKEN: key, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' }
  const python = `from anthropic import Anthropic\n\nclient = Anthropic(base_url="${base}", api_key="${key}")\nmessage = client.messages.create(\n    model="${model}", max_tokens=200, messages=[{"role": "user", "content": "hi"}]\n)\nprint(message.content[0].text)`
  const node = `import Anthropic from '@anthropic-ai/sdk'\n\nconst client = new Anthropic({ baseURL: '${base}', apiKey: '${key}' })\nconst message = await client.messages.create({\n  model: '${model}', max_tokens: 200, messages: [{ role: 'user', content: 'hi' }],\n})\nconsole.log(message.content)`
  const body = { model, max_tokens: 200, stream: true, messages: [{ role: 'user', content: 'hi' }] }
  return [
    { id: 'claude-code', name: 'Claude Code', blocks: [...shells(env, 'claude'), { title: '~/.claude/settings.json', code: json({ env }) }] },
    opencode('anthropic', '@ai-sdk/anthropic', `${base}/v1`, target),
    cherry('Anthropic', target),
    ccSwitch('claude', base, target, site),
    sdks(python, node),
    curl(`${base}/v1/messages`, [`x-api-key: ${key}`, 'anthropic-version: 2023-06-01'], body),
  ]
}

function openai(target: Target, site: string): Recipe[] {
  const { base, key, model } = target
  const provider = (name: string, secret: string): string =>
    `model_provider = "headgate"\nmodel = "${model}"\n\n[model_providers.headgate]\nname = "${name}"\nbase_url = "${base}/v1"\nwire_api = "responses"\n${secret}`
  const python = `from openai import OpenAI\n\nclient = OpenAI(base_url="${base}/v1", api_key="${key}")\nanswer = client.responses.create(model="${model}", input="hi")\nprint(answer.output_text)`
  const node = `import OpenAI from 'openai'\n\nconst client = new OpenAI({ baseURL: '${base}/v1', apiKey: '${key}' })\nconst answer = await client.responses.create({ model: '${model}', input: 'hi' })\nconsole.log(answer.output_text)`
  return [
    {
      id: 'codex', name: 'Codex',
      blocks: [
        { title: '~/.codex/config.toml', code: provider('Headgate', 'env_key = "HEADGATE_API_KEY"') },
        ...shells({ HEADGATE_API_KEY: key }, 'codex'),
        { title: '~/.codex/config.toml (auth.json)', code: provider('Headgate', 'requires_openai_auth = true') },
        { title: '~/.codex/auth.json', code: json({ OPENAI_API_KEY: key }) },
      ],
    },
    opencode('openai', '@ai-sdk/openai', `${base}/v1`, target),
    cherry('OpenAI', target),
    ccSwitch('codex', `${base}/v1`, target, site),
    sdks(python, node),
    curl(`${base}/v1/chat/completions`, [`Authorization: Bearer ${key}`], { model, stream: true, messages: [{ role: 'user', content: 'hi' }] }),
  ]
}

function gemini(target: Target, site: string): Recipe[] {
  const { base, key, model } = target
  const python = `from google import genai\nfrom google.genai import types\n\nclient = genai.Client(\n    api_key="${key}", http_options=types.HttpOptions(base_url="${base}")\n)\nprint(client.models.generate_content(model="${model}", contents="hi").text)`
  const node = `import { GoogleGenAI } from '@google/genai'\n\nconst client = new GoogleGenAI({ apiKey: '${key}', httpOptions: { baseUrl: '${base}' } })\nconst answer = await client.models.generateContent({ model: '${model}', contents: 'hi' })\nconsole.log(answer.text)`
  return [
    { id: 'gemini-cli', name: 'Gemini CLI', blocks: shells({ GOOGLE_GEMINI_BASE_URL: base, GEMINI_API_KEY: key, GEMINI_MODEL: model }, 'gemini') },
    opencode('google', '@ai-sdk/google', `${base}/v1beta`, target),
    cherry('Gemini', target),
    ccSwitch('gemini', base, target, site),
    sdks(python, node),
    curl(`${base}/v1beta/models/${model}:streamGenerateContent?alt=sse`, [`x-goog-api-key: ${key}`], { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] }),
  ]
}

function opencode(provider: string, npm: string, url: string, { key, model }: Target): Recipe {
  const config = { $schema: 'https://opencode.ai/config.json', provider: { [provider]: { npm, options: { baseURL: url, apiKey: key }, models: { [model]: { name: model } } } } }
  return { id: 'opencode', name: 'opencode', blocks: [{ title: '~/.config/opencode/opencode.json', code: json(config) }, { title: 'bash, zsh', code: `opencode -m ${provider}/${model}` }] }
}

function cherry(type: string, { base, key, model }: Target): Recipe {
  return { id: 'cherry', name: 'Cherry Studio', blocks: [{ title: 'Settings → Model Provider → Add', code: `Provider type: ${type}\nAPI Host: ${base}\nAPI Key: ${key}\nModel: ${model}` }] }
}

function ccSwitch(app: string, endpoint: string, { base, key }: Target, site: string): Recipe {
  const link = ccSwitchLink({ app, endpoint, base, key, name: site })
  return { id: 'cc-switch', name: 'CC-Switch', link, blocks: [{ title: 'CC-Switch', code: link }] }
}

const sdks = (python: string, node: string): Recipe => ({ id: 'sdk', name: 'SDK', blocks: [{ title: 'Python', code: python }, { title: 'Node.js', code: node }] })

function curl(url: string, headers: readonly string[], body: unknown): Recipe {
  const lines = [`curl -N "${url}"`, ...[...headers, 'content-type: application/json'].map((header) => `  -H "${header}"`), `  -d '${JSON.stringify(body)}'`]
  return { id: 'curl', name: 'curl', blocks: [{ title: 'curl', code: lines.join(' \\\n') }] }
}

const json = (value: unknown): string => JSON.stringify(value, null, 2)
