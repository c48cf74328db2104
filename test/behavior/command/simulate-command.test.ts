// `sett simulate`: what it prints, and what it refuses.
import { describe, expect, it } from 'vitest'
import type { SimulationFigures } from '../../../src/compaction/simulate/tally.ts'
import { sett } from '../../support/command-line.ts'

const SMALL = ['--memtable-size', '64KiB', '--table-size', '64KiB']

describe('sett simulate', () => {
  it('prints a row per size, and the levels of each', async () => {
    const { code, stdout, stderr } = await sett('simulate', '--data', '1MB,20MB', ...SMALL)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^preset balanced: memtables of 65\.5 kB, levels growing 10 times/)
    const row = (data: string): RegExp =>
      new RegExp(
        `^${data} +1\\.2 +[\\d.]+ +0\\.0 +[\\d.]+ +[\\d.]+ +[\\d.]+ \\([\\d.]+\\) +1\\.00 `,
        'm',
      )
    expect(stdout).toMatch(row('1 MB'))
    expect(stdout).toMatch(row('20 MB'))
    expect(stdout).toMatch(/^data +tables +segments +value log +L0 +L1 +L2 +L3 +L4 +L5 +L6$/m)
    expect(stderr).toMatch(/^simulate 100\/100 percent, 21\.0 MB$/m)
  })

  it('tells its defaults as they are given', async () => {
    const { stdout } = await sett('simulate', '--help')
    const text = stdout.replaceAll(/\s+/g, ' ')
    expect(text).toContain('one or more sizes (default: 1GB,100GB,10TB)')
    expect(text).toContain('while the program writes one (default: it takes no time)')
  })

  it('gives figures as JSON, the same each time', async () => {
    const run = () => sett('simulate', '--data', '5MB', '--overwrite', '0.5', '--json', ...SMALL)
    const first = await run()
    expect((await run()).stdout).toBe(first.stdout)
    const figures: unknown = JSON.parse(first.stdout)
    expect(figures).toMatchObject([{ dataBytes: 5e6, flushes: expect.any(Number) }])
    expect(figures).toHaveLength(1)
  })

  it('writes a load in key order once, and tells when tables are taken as larger', async () => {
    const given = ['--data', '80MB', '--memtable-size', '1MiB', '--table-size', '16KiB']
    const { stdout } = await sett('simulate', ...given, '--distribution', 'sequential')
    expect(stdout).toMatch(/^80 MB +1\.2 +1\.1 +0\.0 +/m)
    expect(stdout).toMatch(/^80 MB: as if tables had 20 kB, so that there are 4,000\.$/m)
  })

  it('puts values into segments from the threshold on, and tells what collecting them costs', async () => {
    const sizes = ['--memtable-size', '256KiB', '--table-size', '256KiB']
    const given = ['--data', '5MB', '--value-size', '1KiB', '--overwrite', '0.7', ...sizes]
    const { stdout } = await sett('simulate', ...given)
    // Log, tables, segments, all of it, at rest, tables of a lookup and a segment, space at the end and most, at rest.
    expect(stdout).toMatch(
      /^5 MB +1\.0 +\d\.\d +1\.\d +\d\.\d +\d\.\d +[\d.]+ \([\d.]+\) \+ 1 +[12]\.\d+ \([12]\.\d+\) +1\.[0-5]\d$/m,
    )
    const figures = async (...more: string[]): Promise<SimulationFigures> => {
      const { stdout: json } = await sett('simulate', ...given, ...more, '--json')
      const [only] = JSON.parse(json) as [SimulationFigures]
      return only
    }
    const { writeAmplification: write, freedBytes, segments, collections } = await figures()
    const { log, tables, segments: inSegments, together } = write
    expect(together).toBeCloseTo(log + tables + inSegments, 9)
    expect(inSegments).toBeGreaterThan(1)
    expect(Number(freedBytes)).toBeGreaterThan(5e6)
    expect(Number(collections)).toBeGreaterThan(0)
    const half = await figures('--compression-ratio', '0.5')
    expect(half.segments.bytes / segments.bytes).toBeCloseTo(0.53, 1)
    const inTables = await figures('--value-threshold', 'off')
    expect(inTables).toMatchObject({ segments: { files: 0, bytes: 0 }, freedBytes: 0 })
    expect(await figures('--value-threshold', 'auto')).toMatchObject({ freedBytes })
  })

  it('has no space per live byte where nothing is live in the end', async () => {
    const given = ['--data', '1MB', '--delete', '0.5', '--distribution', 'sequential', ...SMALL]
    const { stdout } = await sett('simulate', ...given)
    expect(stdout).toMatch(/^1 MB .* - \(\d+\.\d\d\) +-$/m)
    expect(stdout).not.toMatch(/∞|Infinity|NaN/)
    const { stdout: json } = await sett('simulate', ...given, '--json')
    expect(json).not.toContain('null')
    const [figures] = JSON.parse(json) as [SimulationFigures]
    expect(figures.liveBytes).toBe(0)
    expect(figures.spaceAmplification).toEqual({ most: expect.any(Number) })
  })

  const refused: [string[], RegExp][] = [
    [['--data', 'much'], /sizes from 1 B to 1000 TB/],
    [['--data', '1GB,'], /sizes from 1 B to 1000 TB/],
    [['--data', '0'], /sizes from 1 B/],
    [['--data', '20'], /must hold one key and its value/],
    [['--key-size', '0'], /bytes from 1 to 65535/],
    [['--value-size', '2GiB'], /bytes from 0 to 1073741824/],
    [['--value-size', '64MiB'], /quarter of --memtable-size/],
    [['--distribution', 'normal'], /one of uniform, zipf, sequential/],
    [['--overwrite', '1'], /from 0 to below 1/],
    [['--overwrite', '0.6', '--delete', '0.4'], /stay below 1/],
    [['--compaction-speed', '0'], /from 0.01 to 1000/],
    [['--compression-ratio', '0'], /from 0.01 to 1/],
    [['--compression-ratio', '1.5'], /from 0.01 to 1/],
    [['--value-threshold', '32'], /whole number of bytes from 64/],
    [['--value-threshold', '32MiB'], /must be at most memtableSize \/ 4/],
    [['--segment-size', '1KiB'], /must be/],
    [['--level-size-multiplier', '1'], /from 2 to 100/],
    [['--l0-compact-trigger', '20', '--l0-stall-trigger', '9'], /must be greater than/],
    [['--data', '1000TB', ...SMALL], /Raise --memtable-size/],
    [['--block-size', '4096'], /unknown option '--block-size'/],
  ]
  it.each(refused)('refuses %j', async (given, message) => {
    const { code, stdout, stderr } = await sett('simulate', ...given)
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/ {4}at /)
    expect(stdout).toBe('')
    expect(code).toBeGreaterThan(0)
  })
})
