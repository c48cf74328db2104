// README.md's performance section is what the newest kept runs say, and nobody's hand.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { withSection } from '../../../../bench/commands/readme.ts'
import { latestRecord } from '../../../../bench/output/history.ts'
import { performanceSection } from '../../../../bench/report/readme-section.ts'
import { recordOf, samplesOf } from '../output/sample-record.ts'

it('README.md has the figures of the newest kept runs; else: npm run bench:readme', () => {
  const readme = readFileSync(new URL('../../../../README.md', import.meta.url), 'utf8')
  const section = performanceSection(latestRecord('db'), latestRecord('badger'))
  expect(withSection(readme, section)).toBe(readme)
})

describe('the section', () => {
  const db = recordOf([
    ...samplesOf('sett', 'fillrandom', [300_000, 310_000, 290_000]),
    ...samplesOf('lmdb', 'fillrandom', [100_000, 110_000, 90_000]),
    ...samplesOf('classic-level', 'fillrandom', [150_000, 155_000, 145_000]),
    ...samplesOf('map', 'readseq', [9e6, 9e6, 9e6]),
    ...samplesOf('sett', 'readseq', [500_000, 500_000, 500_000]),
    ...samplesOf('lmdb', 'readseq', [1e6, 1e6, 1e6]),
  ])
  const badger = recordOf(
    [
      ...samplesOf('sett', 'fillrandom', [300_000]),
      ...samplesOf('badger', 'fillrandom', [100_000]),
      ...samplesOf('badger:tuned', 'fillrandom', [200_000]),
    ],
    { kind: 'badger', date: '2026-01-03T00:00:00.000Z' },
  )

  it('names the best peer and shows losses like wins', () => {
    const section = performanceSection(db)
    expect(section).toContain(
      '| fillrandom, batches of 1,000 | 300 k | 150 k | classic-level | 2.00 × |',
    )
    expect(section).toContain('| full scan, keys and values | 500 k | 1.00 M | lmdb | 0.50 × |')
    expect(section).toContain('ahead of the best of them in 1 of 2 rows and behind in 1')
    expect(section).toContain('2026-01-02')
    expect(section).not.toContain('Badger')
  })

  it('adds Badger at its better options, a dash where it was not measured', () => {
    const rows = performanceSection(db, badger).split('\n')
    expect(rows.find((row) => row.includes('fillrandom'))).toMatch(/\| 2\.00 × \| 1\.50 × \|$/)
    expect(rows.find((row) => row.includes('full scan'))).toMatch(/\| 0\.50 × \| – \|$/)
  })

  it('without a kept run says how to make one', () => {
    expect(performanceSection(undefined, badger)).toContain('npm run bench')
  })
})

describe('the marks', () => {
  const marked = 'a\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nz\n'

  it('what lies outside of them stays, and writing twice changes nothing', () => {
    const once = withSection(marked, 'new')
    expect(once).toBe('a\n<!-- bench:begin -->\n\nnew\n\n<!-- bench:end -->\nz\n')
    expect(withSection(once, 'new')).toBe(once)
  })

  it.each([
    'no marks',
    '<!-- bench:begin --> only',
    '<!-- bench:end --> <!-- bench:begin -->',
    marked + marked,
  ])('%j is refused', (text) => {
    expect(() => withSection(text, 'new')).toThrow(/once each and in this order/)
  })
})
