import { describe, expect, it } from 'vitest'

import { recipesFor } from './recipes'

const PLATFORMS = ['anthropic', 'openai', 'gemini']
const TARGETS = ['opencode', 'cherry', 'cc-switch', 'sdk', 'curl']

describe('recipesFor', () => {
  it.each(PLATFORMS)('names address and key in every recipe of %s', (platform) => {
    for (const recipe of recipesFor(platform, 'https://gate.example', 'sk-1')) {
      const all = decodeURIComponent(recipe.blocks.map((block) => block.code).join('\n'))
      if (recipe.id !== 'opencode' || all.includes('baseURL')) expect(all, recipe.id).toContain('https://gate.example')
      expect(all, recipe.id).toContain('sk-1')
    }
  })
  it('gives each platform its own command line client, and every other target', () => {
    const ids = (platform: string) => recipesFor(platform, '', '').map((recipe) => recipe.id)
    expect(ids('anthropic')).toEqual(['claude-code', ...TARGETS])
    expect(ids('openai')).toEqual(['codex', ...TARGETS])
    expect(ids('gemini')).toEqual(['gemini-cli', ...TARGETS])
  })
  it.each(PLATFORMS)('writes JSON that is JSON for %s', (platform) => {
    const files = recipesFor(platform, 'https://gate.example', 'sk-1').flatMap((recipe) => recipe.blocks).filter((block) => block.title.endsWith('.json'))
    expect(files.length).toBeGreaterThan(0)
    for (const file of files) expect(() => JSON.parse(file.code) as unknown).not.toThrow()
  })
  it('gives CC-Switch a script that asks this gateway and reads what is left', () => {
    const link = recipesFor('anthropic', 'https://gate.example', 'sk-1').find((recipe) => recipe.id === 'cc-switch')?.link ?? ''
    const query = new URL(link).searchParams
    expect([query.get('app'), query.get('endpoint'), query.get('apiKey'), query.get('usageAutoInterval')]).toEqual(['claude', 'https://gate.example', 'sk-1', '30'])
    const script = atob(query.get('usageScript') ?? '')
    expect(script).toContain('https://gate.example/v1/usage')
    expect(script).not.toContain('sk-1')
    const { extractor } = (0, eval)(script) as { extractor: (answer: unknown) => unknown }
    expect(extractor({ isValid: true, planName: 'pro', remaining: 4.5, unit: 'USD' })).toEqual({ isValid: true, planName: 'pro', remaining: 4.5, unit: 'USD' })
  })
})
