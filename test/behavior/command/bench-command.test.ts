// The bench as a program: what it refuses, what it leaves behind. Figures are not judged here.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CommanderError } from 'commander'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { databaseCommand } from '../../../bench/commands/database.ts'
import { UsageError } from '../../../bench/commands/errors.ts'
import type { RunRecord } from '../../../bench/output/record.ts'
import { soakCommand } from '../../../bench/soak/soak-command.ts'
import { builtUrl } from '../../support/built.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'

const BENCH = fileURLToPath(new URL('bench/main.js', builtUrl))
const SETT = fileURLToPath(new URL('src/adapters/cli/main.js', builtUrl))

function start(program: string, args: readonly string[]) {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
  const ended = output.then(([stdout, stderr, [code]]) => ({ stdout, stderr, code }))
  return { child, ended }
}

type Refusal = readonly [readonly string[], RegExp]

/** What a command says of the mistake it was called with, which is one that ends the program with 2. */
async function told(command: () => Promise<number>): Promise<string> {
  const stderr = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  try {
    const error: unknown = await command().catch((thrown: unknown) => thrown)
    expect(error instanceof UsageError || error instanceof CommanderError).toBe(true)
    return (error as Error).message
  } finally {
    stderr.mockRestore()
  }
}

describe('bad usage ends with 2 and tells what there is', () => {
  it.each<Refusal>([
    [['--engines', 'sett,leveldown'], /no engine is called 'leveldown'; known: sett, .*lmdb.*map/],
    [['--engine', 'sett'], /unknown option '--engine'/],
    [['soak', '--minutes', '0'], /a number of minutes above 0/],
    [['frob'], /no bench command is called 'frob'; known: database, badger, /],
  ])('%j', async (args, message) => {
    const { code, stdout, stderr } = await start(BENCH, args).ended
    expect(stderr).toMatch(message)
    expect(stderr).not.toMatch(/ {4}at /)
    expect([code, stdout]).toEqual([2, ''])
  })

  // A mistake ends the program like those above; to start one for each takes half a second.
  it.each<Refusal>([
    [['--only', 'fillrandm'], /no workload is called 'fillrandm'; known: fillseq, fillrandom/],
    [['--group', 'reads'], /no group is called 'reads'; known: write, sync, read, scan, space/],
    [['--keys', 'short'], /no kind of keys is called 'short'; known: random, sequential, text/],
    [['--group', 'scan', '--only', 'put1'], /none of the workloads put1 is in scan/],
    [['--runs', '0'], /whole number from 1/],
    [['--memtable', '8 cats'], /a size such as 8MiB/],
    [['--json', '/nowhere/at/all.json'], /there is no folder \/nowhere\/at/],
  ])('%j', async (args, message) => {
    await expect(told(() => databaseCommand(args))).resolves.toMatch(message)
  })

  it.each<Refusal>([
    [['--minutes', '1', '--overwrite', '5'], /--minutes is for the mixed load/],
    [['--live', 'default'], /a size such as 8MiB\./],
    [['--values', '100,2MiB'], /--values 2097152: .* up to 1048576 bytes/],
    [['--preset', 'fast'], /no preset is called 'fast'; known: balanced/],
  ])('soak %j', async (args, message) => {
    await expect(told(() => soakCommand(args))).resolves.toMatch(message)
  })

  it('through `sett bench` as well, which has the help of the bench', async () => {
    const [refused, help] = await Promise.all([
      start(SETT, ['bench', '--only', 'frob']).ended,
      start(SETT, ['bench', '--help']).ended,
    ])
    expect(refused.code).toBe(2)
    expect(refused.stderr).toContain("no workload is called 'frob'")
    expect(help.code).toBe(0)
    for (const word of ['presets', '--quick', 'readwhilewriting', 'classic-level']) {
      expect(help.stdout).toContain(word)
    }
  })
})

describe('a run', () => {
  it('measures every asked cell and leaves no folder behind', async () => {
    const directory = temporaryDirectory()
    const json = join(temporaryDirectory(), 'record.json')
    const workloads = ['fillrandom', 'readrandom-sync', 'readseq']
    const { code, stdout, stderr } = await start(BENCH, [
      ...['--engines', 'sett,map', '--no-bounds', '--only', workloads.join(), '--runs', '1'],
      ...[
        '--count',
        '2000',
        '--seconds',
        '0.05',
        '--memtable',
        'default',
        '--directory',
        directory,
        '--json',
        json,
      ],
    ]).ended
    expect({ code, stderr }).toMatchObject({ code: 0 })
    const record: RunRecord = JSON.parse(readFileSync(json, 'utf8'))
    const cells = record.samples.map(({ engine, workload }) => `${engine} ${workload}`)
    expect(cells.sort()).toEqual(
      ['map', 'sett'].flatMap((engine) => workloads.map((name) => `${engine} ${name}`)),
    )
    for (const { operations, elapsedMs } of record.samples) {
      expect(operations).toBeGreaterThan(0)
      expect(elapsedMs).toBeGreaterThan(0)
    }
    expect(record.controls).toHaveLength(1)
    expect(record.gaps).toEqual([])
    expect(stdout).toMatch(/^fillrandom +[\d.]+ [kM]/m)
    expect(readdirSync(directory)).toEqual([])
  })

  it('refuses a soak that the disk has no room for', async () => {
    const { code, stderr } = await start(BENCH, ['soak', '--live', '900000GiB']).ended
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining('disk too small') })
  })

  it.each([['--minutes', '0.02'] as const, ['--overwrite', '2'] as const])(
    'soak %s %s: a point for each second, a page, all answers right, no folder left',
    async (flag, amount) => {
      const [directory, folder] = [temporaryDirectory(), temporaryDirectory()]
      const [json, page] = [join(folder, 'record.json'), join(folder, 'page.html')]
      const { code, stdout, stderr } = await start(BENCH, [
        ...['soak', flag, amount, '--live', '512KiB', '--memtable', '64KiB', '--idle', '0.5'],
        ...['--values', '100,4KiB', '--directory', directory, '--json', json, '--report', page],
      ]).ended
      expect({ code, stderr }).toMatchObject({ code: 0 })
      const { soak, samples }: RunRecord = JSON.parse(readFileSync(json, 'utf8'))
      expect(soak).toMatchObject({ wrong: 0, mistakes: [], restless: false })
      expect(soak!.points.at(-1)).toMatchObject({ phase: 'idle', operations: 0 })
      expect(soak!.points.every(({ files, liveBytes }) => files.all > 0 && liveBytes > 0)).toBe(
        true,
      )
      expect(soak!.writtenBytes).toBeGreaterThan(soak!.userBytes)
      expect(samples.map(({ workload }) => workload)).toEqual(['soak-fill', 'soak-load'])
      expect(stdout).toMatch(
        /^answers compared with what was written +[\d,]+ +none wrong +reached$/m,
      )
      expect(readFileSync(page, 'utf8')).toContain('Second by second')
      expect(readdirSync(directory)).toEqual([])
    },
  )

  it('removes its databases on Ctrl-C and ends with 130, also through `sett bench`', async () => {
    const directory = temporaryDirectory()
    const { child, ended } = start(SETT, [
      ...['bench', '--engines', 'sett', '--no-bounds', '--only', 'fillrandom', '--runs', '50'],
      ...['--count', '100000', '--directory', directory],
    ])
    const begun = (): boolean =>
      readdirSync(directory).some((root) =>
        readdirSync(join(directory, root)).some((turn) =>
          existsSync(join(directory, root, turn, 'main', 'CURRENT')),
        ),
      )
    while (child.exitCode === null && !begun()) await delay(10)
    child.kill('SIGINT')
    const { code, stderr } = await ended
    expect({ code, stderr }).toMatchObject({ code: 130 })
    expect(stderr).toContain('interrupted by SIGINT')
    expect(readdirSync(directory)).toEqual([])
  })
})
