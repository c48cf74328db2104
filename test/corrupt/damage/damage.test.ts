// Damaged media: every answer is right, an error with file and offset, or a refusal to open.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, judge, WrongAnswer } from './judge.ts'
import { LiveTables } from './live-tables.ts'
import { repairHarmed } from './repairs.ts'
import type { Specimen } from './specimen.ts'
import { makeSpecimens, runDamage, type Specimens } from './suite.ts'

const SEED = Number(process.env['SETT_CORRUPT_SEED'] ?? Date.now() % 1_000_000)
const FLIPS = 4_000
const HARMS = 140
const REPAIRS = 28
/** Half a minute where nothing else runs. */
const PATIENCE_MS = 600_000

// Errors come by the hundred thousand, and nobody looks at their traces.
const { stackTraceLimit } = Error
beforeAll(() => {
  Error.stackTraceLimit = 2
})
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit
})

describe(`damage (SETT_CORRUPT_SEED=${SEED})`, () => {
  let specimens: Specimens

  it(
    'finds nothing wrong with what is not damaged',
    async () => {
      specimens = await makeSpecimens(SEED)
      for (const specimen of specimens.all) {
        expect(await judge(specimen, specimen.image, true), specimen.name).toBe('right')
      }
      expect(specimens.all.map(({ name }) => name)).toEqual([
        'closed',
        'killed',
        'killed replacing CURRENT',
        'killed flushing',
        'killed with most logs',
        'backlog',
        'segmented',
      ])
    },
    PATIENCE_MS,
  )

  it(
    `${FLIPS} flipped bits, all bits of headers, footers, CURRENT and manifest, ${HARMS} other harms`,
    async () => {
      const run = { seed: SEED, flips: FLIPS, harms: HARMS, everyBit: false }
      const tally = await runDamage(run, specimens)
      expect(tally.wrong).toEqual([])
      const [closed] = specimens.all as [Specimen]
      const bits = (kind: string, answers?: readonly Answer[]): number => tally.of(kind, answers)
      expect(bits('bit of CURRENT, closed', ['refused'])).toBe(8 * 64)
      const manifest = [...closed.image].find(([name]) => name.startsWith('MANIFEST'))
      expect(bits('bit of MANIFEST, closed', ['refused'])).toBe(8 * manifest![1].length)
      const tables = new LiveTables(closed).tables.length
      expect(tables).toBeGreaterThanOrEqual(10)
      expect(bits('bit of table, header', ['error'])).toBe(8 * 64 * tables)
      expect(bits('bit of table, footer', ['error'])).toBe(8 * 128 * tables)
      // No byte of a table goes unread, and none is read unchecked.
      for (const kind of ['data block', 'filter', 'range tombstones', 'properties', 'index']) {
        expect(bits(`bit of table, ${kind}`, ['right'])).toBe(0)
        expect(bits(`bit of table, ${kind}`, ['error'])).toBeGreaterThan(FLIPS / 50)
      }
      // Only the zeros behind a part are left to verify().
      const segments = new LiveTables(specimens.all.at(-1)!).segments.length
      expect(segments).toBeGreaterThanOrEqual(4)
      expect(bits('bit of segment header', ['error'])).toBe(8 * 64 * segments)
      expect(bits('bit of segment footer', ['error'])).toBe(8 * 128 * segments)
      for (const kind of ['part header', 'stored bytes']) {
        expect(bits(`bit of segment, ${kind}`, ['right'])).toBe(0)
        expect(bits(`bit of segment, ${kind}`, ['error'])).toBeGreaterThan(FLIPS / 50)
      }
      for (const kind of ['padding', 'unread']) {
        expect(bits(`bit of segment, ${kind}`, ['error'])).toBe(0)
        expect(bits(`bit of segment, ${kind}`, ['right'])).toBeGreaterThan(0)
      }
      expect(bits('bit of log, closed', ['cut'])).toBe(0)
      expect(bits('bit of log, killed', ['cut'])).toBeGreaterThan(0)
      expect(tally.total).toBeGreaterThan(FLIPS + HARMS)
    },
    PATIENCE_MS,
  )

  it(
    `${REPAIRS} harmed ones are repaired, and nothing is missing that was not told`,
    async () => {
      const counts = await repairHarmed({ seed: SEED, repairs: REPAIRS }, specimens)
      expect(counts.wrong).toEqual([])
      expect(counts.repaired).toBe(REPAIRS)
      expect(counts.whole).toBeGreaterThan(0)
    },
    PATIENCE_MS,
  )

  it('knows a wrong answer when it gets one', async () => {
    const [closed] = specimens.all as [Specimen]
    const other = specimens.foreign[0]!
    const lost = { ...closed, commit: closed.commit - 20 }
    await expect(judge(lost, closed.image)).rejects.toThrow(WrongAnswer)
    await expect(judge(closed, other.image)).rejects.toThrow(WrongAnswer)
    await expect(judge(closed, new Map())).rejects.toThrow(/not found/)
  })
})
