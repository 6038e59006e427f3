export interface Recipe {
  id: string
  name: string
  blocks: readonly { title: string; code: string }[]
  /** Opens a program on this machine that takes the settings over. */
  link?: string
}

const MODELS: Readonly<Record<string, string>> = {
  anthropic: 'claude-sonnet-4-5', openai: 'gpt-5', gemini: 'gemini-2.5-pro',
}

/** How to use a key of a group on `platform`, for every client that speaks its protocol. */
export function recipesFor(platform: string, base: string, key: string): Recipe[] {
  const model = MODELS[platform] ?? 'gpt-5'
  if (platform === 'anthropic') return anthropic(base, key, model)
  if (platform === 'gemini') return gemini(base, key, model)
  return openai(base, key, model)
}

function anthropic(base: string, key: string, model: string): Recipe[] {
  const env = `export ANTHROPIC_BASE_URL="${base}"\nexport ANTHROPIC_AUTH_TOKEN="${key}"`
  const curl = `curl -N ${base}/v1/messages \\\n  -H "x-api-key: ${key}" \\\n  -H "anthropic-version: 2023-06-01" \\\n  -H "content-type: application/json" \\\n  -d '{"model":"${model}","max_tokens":200,"stream":true,"messages":[{"role":"user","content":"hi"}]}'`
  const python = `from anthropic import Anthropic\n\nclient = Anthropic(base_url="${base}", api_key="${key}")\nmessage = client.messages.create(\n    model="${model}", max_tokens=200, messages=[{"role": "user", "content": "hi"}]\n)\nprint(message.content[0].text)`
  return [
    {
      id: 'claude-code', name: 'Claude Code',
      blocks: [
        { title: 'bash, zsh', code: `${env}\nclaude` },
        { title: 'PowerShell', code: `$env:ANTHROPIC_BASE_URL="${base}"\n$env:ANTHROPIC_AUTH_TOKEN="${key}"\nclaude` },
        { title: '~/.claude/settings.json', code: json({ env: { ANTHROPIC_BASE_URL: base, ANTHROPIC_AUTH_TOKEN: key } }) },
      ],
    },
    opencode('anthropic', '@ai-sdk/anthropic', `${base}/v1`, key, model),
    cherry('Anthropic', base, key, model),
    { id: 'cc-switch', name: 'CC-Switch', link: ccSwitch('claude', base, key), blocks: [{ title: 'CC-Switch', code: ccSwitch('claude', base, key) }] },
    { id: 'sdk', name: 'Python SDK', blocks: [{ title: 'Python', code: python }] },
    { id: 'curl', name: 'curl', blocks: [{ title: 'curl', code: curl }] },
  ]
}

function openai(base: string, key: string, model: string): Recipe[] {
  const toml = `model_provider = "headgate"\nmodel = "${model}"\n\n[model_providers.headgate]\nname = "Headgate"\nbase_url = "${base}/v1"\nwire_api = "responses"\nenv_key = "HEADGATE_API_KEY"`
  const python = `from openai import OpenAI\n\nclient = OpenAI(base_url="${base}/v1", api_key="${key}")\nanswer = client.responses.create(model="${model}", input="hi")\nprint(answer.output_text)`
  const curl = `curl -N ${base}/v1/chat/completions \\\n  -H "Authorization: Bearer ${key}" \\\n  -H "content-type: application/json" \\\n  -d '{"model":"${model}","stream":true,"messages":[{"role":"user","content":"hi"}]}'`
  return [
    { id: 'codex', name: 'Codex', blocks: [{ title: '~/.codex/config.toml', code: toml }, { title: 'bash, zsh', code: `export HEADGATE_API_KEY="${key}"\ncodex` }] },
    opencode('openai', '@ai-sdk/openai', `${base}/v1`, key, model),
    cherry('OpenAI', base, key, model),
    { id: 'cc-switch', name: 'CC-Switch', link: ccSwitch('codex', `${base}/v1`, key), blocks: [{ title: 'CC-Switch', code: ccSwitch('codex', `${base}/v1`, key) }] },
    { id: 'sdk', name: 'Python SDK', blocks: [{ title: 'Python', code: python }] },
    { id: 'curl', name: 'curl', blocks: [{ title: 'curl', code: curl }] },
  ]
}

function gemini(base: string, key: string, model: string): Recipe[] {
  const curl = `curl -N "${base}/v1beta/models/${model}:streamGenerateContent?alt=sse" \\\n  -H "x-goog-api-key: ${key}" \\\n  -H "content-type: application/json" \\\n  -d '{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}'`
  const python = `from google import genai\nfrom google.genai import types\n\nclient = genai.Client(\n    api_key="${key}", http_options=types.HttpOptions(base_url="${base}")\n)\nprint(client.models.generate_content(model="${model}", contents="hi").text)`
  return [
    { id: 'gemini-cli', name: 'Gemini CLI', blocks: [{ title: 'bash, zsh', code: `export GOOGLE_GEMINI_BASE_URL="${base}"\nexport GEMINI_API_KEY="${key}"\nexport GEMINI_MODEL="${model}"\ngemini` }] },
    opencode('google', '@ai-sdk/google', `${base}/v1beta`, key, model),
    cherry('Gemini', base, key, model),
    { id: 'cc-switch', name: 'CC-Switch', link: ccSwitch('gemini', base, key), blocks: [{ title: 'CC-Switch', code: ccSwitch('gemini', base, key) }] },
    { id: 'sdk', name: 'Python SDK', blocks: [{ title: 'Python', code: python }] },
    { id: 'curl', name: 'curl', blocks: [{ title: 'curl', code: curl }] },
  ]
}

function opencode(provider: string, npm: string, url: string, key: string, model: string): Recipe {
  const config = { $schema: 'https://opencode.ai/config.json', provider: { [provider]: { npm, options: { baseURL: url, apiKey: key }, models: { [model]: { name: model } } } } }
  return { id: 'opencode', name: 'opencode', blocks: [{ title: 'opencode.json', code: json(config) }] }
}

function cherry(type: string, base: string, key: string, model: string): Recipe {
  return { id: 'cherry', name: 'Cherry Studio', blocks: [{ title: 'Settings → Model Provider → Add', code: `Provider type: ${type}\nAPI Host: ${base}\nAPI Key: ${key}\nModel: ${model}` }] }
}

function ccSwitch(app: string, endpoint: string, key: string): string {
  const query = new URLSearchParams({ resource: 'provider', app, name: 'Headgate', homepage: endpoint, endpoint, apiKey: key })
  return `ccswitch://v1/import?${query.toString()}`
}

const json = (value: unknown): string => JSON.stringify(value, null, 2)
