import type { Schemas } from '@/api/client'
import { t } from '@/i18n'

type Rule = Schemas['RuleView']

/** `400, 529` as numbers; what is no status is left to the gateway to refuse. */
export function codesOf(text: string): number[] {
  return text.split(/[\s,;]+/).filter(Boolean).map(Number).filter((code) => !Number.isNaN(code))
}

/** The rule in a sentence: when, and what clients are shown. */
export function meaning(rule: Pick<Rule, 'error_codes' | 'keywords' | 'match_mode' | 'platforms' | 'passthrough_code' | 'response_code' | 'passthrough_body'>): string {
  const codes = rule.error_codes.length ? t('rules.rule.codes', { list: rule.error_codes.join(', ') }) : ''
  const words = rule.keywords.length ? t('rules.rule.words', { list: rule.keywords.join(', ') }) : ''
  const joined = [codes, words].filter(Boolean).join(rule.match_mode === 'all' ? ` ${t('rules.rule.and')} ` : ` ${t('rules.rule.or')} `)
  const from = rule.platforms.length ? `${rule.platforms.join(', ')}: ` : ''
  const status = rule.passthrough_code ? t('rules.rule.sameStatus') : t('rules.rule.status', { code: rule.response_code ?? '?' })
  const body = rule.passthrough_body ? t('rules.rule.sameBody') : t('rules.rule.ownBody')
  return `${from}${joined || t('rules.rule.always')} → ${status}, ${body}`
}
