// Whole files that are missing, empty, zero, cut short, doubled or exchanged, one by one: what must refuse does, and
// what may be left out is left out.
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { open } from '../../../src/index.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'
import { OPTIONS } from '../damaged-directories.ts'
import type { Image } from '../image.ts'
import { type Answer, judge } from './judge.ts'
import { type LiveLog, LiveLogs } from './live-logs.ts'
import { LiveTables } from './live-tables.ts'
import { namedLogs } from './log-evidence.ts'
import { backlogSpecimen, closedSpecimen, killedSpecimens, type Specimen } from './specimen.ts'

const SEED = Number(process.env['SETT_CORRUPT_SEED'] ?? Date.now() % 1_000_000)
const PATIENCE_MS = 300_000

let closed: Specimen
let killed: Specimen
let backlog: Specimen

beforeAll(async () => {
  closed = await closedSpecimen(SEED)
  killed = (await killedSpecimens(SEED))[0]!
  backlog = await backlogSpecimen(SEED)
}, PATIENCE_MS)

function changed(
  image: Image,
  ...files: readonly (readonly [string, Buffer | undefined])[]
): Image {
  const copy = new Map(image)
  for (const [name, bytes] of files) {
    if (bytes === undefined) copy.delete(name)
    else copy.set(name, bytes)
  }
  return copy
}

function filesOf(image: Image, ending: '.sst' | '.vlog'): [string, Buffer][] {
  return [...image].filter(([name]) => name.endsWith(ending))
}

describe(`files (SETT_CORRUPT_SEED=${SEED})`, () => {
  it('a missing log of five refuses to open', async () => {
    const logs = namedLogs(backlog.image).filter(({ frames }) => frames.length > 0)
    expect(logs.length).toBeGreaterThanOrEqual(5)
    for (const { name } of logs) {
      expect(await judge(backlog, changed(backlog.image, [name, undefined])), name).toBe('refused')
    }
  })

  it('a log under another number is refused, all pairs', async () => {
    const logs = namedLogs(backlog.image).filter(({ frames }) => frames.length > 0)
    const names = [...logs.map(({ name }) => name), '888888.wal']
    for (const { name } of logs) {
      for (const other of names.filter((each) => each !== name)) {
        const copy = changed(backlog.image, [other, backlog.image.get(name)])
        expect(await judge(backlog, copy), `${name} as ${other}`).toBe('refused')
        const moved = changed(copy, [name, undefined])
        expect(await judge(backlog, moved), `${name} moved to ${other}`).toBe('refused')
      }
    }
  })

  it('a missing CURRENT, manifest, table or segment refuses to open', async () => {
    for (const specimen of [closed, killed, backlog]) {
      for (const name of specimen.image.keys()) {
        if (name.endsWith('.wal')) continue
        const without = changed(specimen.image, [name, undefined])
        expect(await judge(specimen, without), `${specimen.name} ${name}`).toBe('refused')
      }
    }
    expect(filesOf(closed.image, '.sst').length).toBeGreaterThanOrEqual(10)
  })

  it(
    "two tables in each other's place are told, all pairs of ten",
    async () => {
      const tables = filesOf(closed.image, '.sst').slice(0, 10)
      let told = 0
      for (const [a, bytes] of tables) {
        for (const [b, others] of tables) {
          if (a === b) continue
          const answer = await judge(closed, changed(closed.image, [a, others], [b, bytes]))
          expect(['refused', 'error'], `${a} and ${b}`).toContain(answer)
          told += 1
        }
      }
      expect(told).toBe(90)
    },
    PATIENCE_MS,
  )

  it('files of no byte, one byte, 4096 zeros, or all zeros are told', async () => {
    for (const specimen of [closed, backlog]) {
      for (const [name, bytes] of specimen.image) {
        for (const other of [0, 1, 4096, bytes.length].map((length) => Buffer.alloc(length))) {
          const answer = await judge(specimen, changed(specimen.image, [name, other]))
          const what = `${specimen.name} ${name} as ${other.length} zeros`
          // A header is durable before anything names its file, so no log may be without one. Of a table or a segment
          // only the length is looked at before it is read.
          const opens = /\.(sst|vlog)$/.test(name) && other.length === bytes.length
          expect(answer, what).toBe(opens ? 'error' : 'refused')
        }
      }
    }
  })

  it('LOCK may hold anything, or be gone', async () => {
    const directory = temporaryDirectory()
    const write = async (key: string): Promise<void> => {
      const database = await open(directory, OPTIONS)
      for (let i = 0; i < 9; i++)
        expect(await database.get(`k${i}`)).toBe(`k${i}` < key ? 'v' : undefined)
      await database.put(key, 'v')
      await database.close()
    }
    await write('k0')
    const path = join(directory, 'LOCK')
    const record = { pid: process.pid, host: 'another', started: new Date(0).toISOString() }
    const contents = [
      Buffer.from(`${JSON.stringify(record)}\n`),
      Buffer.from('{"pid":'),
      Buffer.alloc(500, 0xff),
      Buffer.alloc(1 << 20, 123),
    ]
    for (const [i, content] of contents.entries()) {
      writeFileSync(path, content)
      await write(`k${i + 1}`)
    }
    rmSync(path)
    await write('k5')
    expect(readdirSync(directory)).toContain('LOCK')
  })
})

describe('a block in the place of another of its file', () => {
  it('is told, all pairs of sixteen', () => {
    const live = new LiveTables(closed)
    const table = live.tables.find(({ regions }) => regions.length > 21)
    const blocks = table!.regions.filter(({ kind }) => kind === 'data block').slice(0, 16)
    let told = 0
    for (const a of blocks) {
      for (const b of blocks) {
        if (a === b) continue
        const bytes = Buffer.from(
          table!.bytes.subarray(b.from, Math.min(b.to, b.from + a.to - a.from)),
        )
        expect(live.overwrite(table!, a, bytes), `${b.from} at ${a.from}`).toBe(true)
        told += 1
      }
    }
    expect(told).toBe(240)
  })
})

describe('a file cut short', () => {
  it(
    'at every length of CURRENT and manifest refuses, or leaves out a torn last edit',
    async () => {
      for (const specimen of [closed, killed]) {
        for (const [name, bytes] of specimen.image) {
          if (name !== 'CURRENT' && !name.startsWith('MANIFEST')) continue
          const answers = new Set<Answer>()
          const step = specimen.closed && name !== 'CURRENT' ? 5 : 1
          for (let length = 0; length < bytes.length; length += step) {
            const cut = changed(specimen.image, [name, bytes.subarray(0, length)])
            answers.add(await judge(specimen, cut))
          }
          const wanted: Answer[] =
            name === 'CURRENT' || specimen.closed ? ['refused'] : ['refused', 'right']
          expect(wanted, `${specimen.name} ${name}`).toEqual(expect.arrayContaining([...answers]))
        }
      }
    },
    PATIENCE_MS,
  )

  it('refuses, if it is a table or a segment', async () => {
    for (const [name, bytes] of [
      filesOf(closed.image, '.sst')[0]!,
      filesOf(closed.image, '.vlog')[0]!,
    ]) {
      for (let length = 0; length < bytes.length; length += 61) {
        const cut = changed(closed.image, [name, bytes.subarray(0, length)])
        expect(await judge(closed, cut), `${name} ${length}`).toBe('refused')
      }
    }
  })

  it('loses whole commits from its end on, if it is an open log, whatever lies behind', () => {
    const live = new LiveLogs(backlog)
    const open = live.logs.filter(({ sealed }) => sealed === undefined).slice(-2)
    // One commit of many records goes whole or not at all.
    expect(Math.max(...open.flatMap(({ frames }) => frames.map(({ records }) => records)))).toBe(
      250,
    )
    let cuts = 0
    for (const log of open) {
      const edges = log.frames.flatMap(({ offset, end }) => [
        offset - 1,
        offset,
        offset + 1,
        end - 8,
      ])
      const steps = Array.from({ length: log.before.length / 13 }, (_, i) => 13 * i)
      for (const [i, length] of [...edges, ...steps].entries()) {
        const behind = [Buffer.alloc(0), Buffer.alloc(4096), Buffer.alloc(777, 0xa7)][i % 3]!
        const answer = live.truncate(log, length, behind)
        const same = isSame(log, length, behind)
        expect(answer, `${length}`).toBe(length < 64 ? 'refused' : same ? 'right' : 'cut')
        if (answer === 'cut') cuts += 1
      }
    }
    expect(cuts).toBeGreaterThan(1000)
  })

  it('refuses, if it is a sealed log', () => {
    const live = new LiveLogs(closed)
    const log = live.logs.find(({ sealed }) => sealed !== undefined)!
    for (let length = 0; length < log.before.length; length += 13) {
      const behind = Buffer.alloc(length % 2 === 0 ? 0 : 4096)
      const wanted = isSame(log, length, behind) ? 'right' : 'refused'
      expect(live.truncate(log, length, behind), `${length}`).toBe(wanted)
    }
  })

  it('is whole, if it only grew', () => {
    for (const specimen of [closed, backlog]) {
      const live = new LiveLogs(specimen)
      for (const log of live.logs) {
        for (const behind of [Buffer.alloc(5000), Buffer.alloc(777, 0xa7), log.before]) {
          expect(live.truncate(log, log.before.length, behind)).toBe('right')
        }
      }
    }
  })
})

/** What lies behind the cut is what lay there: the zeros that end a record. */
function isSame({ before, frames }: LiveLog, length: number, behind: Buffer): boolean {
  // Behind the last frame there may be zeros, of which nothing is lost.
  const rest = before.subarray(length, frames.at(-1)?.end ?? before.length)
  return rest.equals(behind.subarray(0, rest.length))
}
