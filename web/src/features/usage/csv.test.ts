import { expect, it } from 'vitest'

import { toCsv } from './csv'

it('quotes what needs it and disarms what a spreadsheet would run', () => {
  const rows = [{ a: 'x,"y"', b: -1.5 }, { a: '=HYPERLINK("u")', b: null }]
  expect(toCsv(['a', 'b'], rows)).toBe('a,b\r\n"x,""y""",-1.5\r\n"\'=HYPERLINK(""u"")",\r\n')
})
