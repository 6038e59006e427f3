import { describe, expect, it } from 'vitest'

import { recipesFor } from './recipes'

describe('recipesFor', () => {
  it.each(['anthropic', 'openai', 'gemini'])('names address and key in every recipe of %s', (platform) => {
    for (const recipe of recipesFor(platform, 'https://gate.example', 'sk-1')) {
      const all = decodeURIComponent(recipe.blocks.map((block) => block.code).join('\n'))
      expect(all, recipe.id).toContain('https://gate.example')
      expect(all, recipe.id).toContain('sk-1')
    }
  })
  it('gives each platform its own command line client', () => {
    const first = (platform: string) => recipesFor(platform, '', '')[0]?.name
    expect([first('anthropic'), first('openai'), first('gemini')]).toEqual(['Claude Code', 'Codex', 'Gemini CLI'])
  })
})
