/** By platform: what is written where somebody is to try one, and nobody has said which models there are. */
export const EXAMPLE_MODELS = { anthropic: 'claude-sonnet-5-5', openai: 'gpt-5', gemini: 'gemini-2.5-pro' } as const
