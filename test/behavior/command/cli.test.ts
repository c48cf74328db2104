import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { Command } from 'commander'
import { describe, expect, it, onTestFinished } from 'vitest'
import { addOptionFlags, pickOptions } from '../../../src/adapters/cli/option-flags.ts'
import { runCommand } from '../../../src/adapters/cli/program.ts'
import { formatTable } from '../../../src/adapters/cli/table.ts'
import { afterPrefix } from '../../../src/adapters/cli/text-form.ts'
import { open } from '../../../src/index.ts'
import { sett } from '../../support/command-line.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'

const SMALL = ['--workers', '0', '--memtable-size', '64KiB', '--memory-budget', '8MiB']

describe('verbs', () => {
  it('put, get, scan, del, stats', async () => {
    const db = join(temporaryDirectory(), 'db')
    const run = (...given: string[]) => sett(...given, '--db', db, ...SMALL)
    expect(await run('put', 'a', '1')).toEqual({ code: 0, stdout: '', stderr: '' })
    expect((await run('put', 'b', 'zwei — 2', '--json')).stdout).toBe('{"key":"b","version":2}\n')
    expect((await run('put', '63', 'ff00', '--hex')).code).toBe(0)
    expect((await run('put', 'ZA==', 'AQI=', '--base64')).code).toBe(0)
    expect((await run('get', 'a')).stdout).toBe('1')
    expect((await run('get', 'c', '--hex')).code).toBe(2)
    expect((await run('get', '63', '--hex')).stdout).toBe('ff00\n')
    expect((await run('get', '63', '--hex', '--json')).stdout).toBe(
      '{"key":"63","value":"ff00","version":3}\n',
    )
    expect((await run('del', '64', '--hex')).code).toBe(0)
    expect((await run('scan', '--no-values')).stdout).toBe('a\nb\nc\n')
    expect((await run('scan', '--lt', 'c')).stdout).toBe('a\t1\nb\tzwei — 2\n')
    expect((await run('scan', '--prefix', 'b', '--json')).stdout).toBe(
      '{"key":"b","value":"zwei — 2"}\n',
    )
    expect((await run('scan', '--reverse', '--limit', '1', '--hex')).stdout).toBe('63\tff00\n')
    expect((await run('del', 'a')).code).toBe(0)
    expect((await run('scan', '--gt', 'b', '--lte', 'z', '--no-values')).stdout).toBe('c\n')
    const stats = await run('stats')
    expect(stats.stdout).toMatch(/^level +tables/)
    expect(stats.stdout).toMatch(/blockSize +4096/)
    expect(JSON.parse((await run('stats', '--json')).stdout)).toMatchObject({ version: 6 })
  })

  it('put --ttl makes a key that goes, and get --json tells when', async () => {
    const db = join(temporaryDirectory(), 'db')
    const run = (...given: string[]) => sett(...given, '--db', db, ...SMALL)
    const before = Date.now()
    expect((await run('put', 'a', '1', '--ttl', '3600000')).code).toBe(0)
    const told = JSON.parse((await run('get', 'a', '--json')).stdout) as { expiresAt: number }
    expect(told.expiresAt).toBeGreaterThanOrEqual(before + 3_600_000)
    expect(told.expiresAt).toBeLessThanOrEqual(Date.now() + 3_600_000)
    expect((await run('put', 'a', '1', '--ttl', '0.5')).code).toBe(0)
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect((await run('get', 'a')).code).toBe(1)
    for (const ttl of ['0', '-1', 'soon', '', 'Infinity']) {
      expect((await run('put', 'a', '1', '--ttl', ttl)).code).toBe(2)
    }
  })

  it('put takes a value from standard input', async () => {
    const db = join(temporaryDirectory(), 'db')
    const { stdin } = process
    onTestFinished(() => void Object.defineProperty(process, 'stdin', { value: stdin }))
    Object.defineProperty(process, 'stdin', { value: Readable.from([Buffer.from('piped\n')]) })
    expect((await sett('put', 'a', '--db', db, ...SMALL)).code).toBe(0)
    const database = await open(db, { workers: 0 })
    expect(await database.get('a')).toBe('piped\n')
    await database.close()
  })

  it('a stored file comes out of a pipe byte by byte; a person gets a line', async () => {
    const db = join(temporaryDirectory(), 'db')
    const database = await open<string, Buffer>(db, { workers: 0, valueEncoding: 'buffer' })
    await database.put('file', Buffer.from([0xff, 0, 0x0a, 0x80]))
    await database.close()
    expect((await sett('get', 'file', '--db', db, '--hex')).code).toBe(2)
    for (const [isTTY, end] of [
      [false, ''],
      [true, '0a'],
    ] as const) {
      const written: Uint8Array[] = []
      const stdout = Object.assign(
        new Writable({ write: (chunk, _, done) => done(void written.push(chunk)) }),
        { isTTY },
      )
      const code = await runCommand(['get', 'file', '--db', db], { stdout, stderr: stdout }, '1')
      expect(code).toBe(0)
      expect(Buffer.concat(written).toString('hex')).toBe(`ff000a80${end}`)
    }
  })

  it('scan: of a prefix and a bound, the narrower counts', async () => {
    const db = join(temporaryDirectory(), 'db')
    const database = await open(db, { workers: 0 })
    for (const key of ['a', 'b', 'b1', 'b2', 'b3', 'c']) await database.put(key, '')
    await database.close()
    const scan = async (...given: string[]): Promise<string> => {
      const { stdout } = await sett('scan', '--db', db, '--no-values', '--prefix', 'b', ...given)
      return stdout.trim().replaceAll('\n', ' ')
    }
    expect(await scan('--gte', 'a')).toBe('b b1 b2 b3')
    expect(await scan('--gt', 'b', '--lt', 'z')).toBe('b1 b2 b3')
    expect(await scan('--gt', 'b1', '--lte', 'b2')).toBe('b2')
    expect(await scan('--lte', 'c')).toBe('b b1 b2 b3')
    expect(await scan('--lt', 'a')).toBe('')
    expect(await scan('--gte', 'c')).toBe('')
  })

  it('prints nothing for an empty database', async () => {
    const db = join(temporaryDirectory(), 'db')
    await (await open(db, { workers: 0 })).close()
    expect(await sett('scan', '--db', db)).toEqual({ code: 0, stdout: '', stderr: '' })
  })

  it('help and version end well', async () => {
    const help = await sett('--help')
    expect(help.code).toBe(0)
    for (const verb of ['ingest', 'get', 'put', 'del', 'scan', 'stats']) {
      expect(help.stdout).toContain(`  ${verb} `)
    }
    expect(await sett('--version')).toEqual({ code: 0, stdout: '1.2.3\n', stderr: '' })
  })
})

describe('mistakes', () => {
  it.each([
    [['get', 'a'], 2, /^SETT_INVALID_OPTION: Which database\?/],
    [['frob'], 2, /unknown command 'frob'/],
    [['get', '--db', 'x'], 2, /missing required argument 'key'/],
    [['scan', '--db', 'x', '--limit', '-1'], 2, /whole number/],
    [['scan', '--db', 'x', '--hex', '--base64'], 2, /exclude each other/],
    [['get', 'xyz', '--db', 'x', '--hex'], 2, /not hex/],
    [['get', 'a', '--db', 'x', '--block-size', '5'], 2, /whole number of bytes from 512/],
    [['get', 'a', '--db', 'x', '--blocksize', '5'], 2, /unknown option '--blocksize'/],
    [['get', 'a', '--db', 'x', '--durability', 'often'], 2, /'sync', 'none'/],
    [['get', 'a', '--db', '/nowhere/at/all'], 1, /^LEVEL_NOT_FOUND: /],
    [['get', 'a', '--db', process.execPath], 1, /^SETT_NOT_A_DATABASE: /],
    [['put', 'a', '1', '--db', ''], 2, /path of a directory/],
    [['ingest', '.', '--db', ''], 2, /path of a directory/],
    [['ingest', '/nowhere/at/all'], 1, /^LEVEL_NOT_FOUND: /],
  ])('%j ends with %i', async (given, code, message) => {
    const result = await sett(...given)
    expect(result.stderr).toMatch(message)
    expect(result.stderr).not.toMatch(/ {4}at /)
    expect(result.code).toBe(code)
    expect(result.stdout).toBe('')
  })

  it('a missing key is an error, as JSON when asked', async () => {
    const db = join(temporaryDirectory(), 'db')
    await sett('put', 'a', '1', '--db', db, ...SMALL)
    const result = await sett('get', 'b', '--db', db, '--json')
    expect(result.code).toBe(1)
    expect(JSON.parse(result.stderr)).toMatchObject({ error: { code: 'LEVEL_NOT_FOUND' } })
  })
})

describe('flags', () => {
  it('come from the option table, with units', () => {
    const command = addOptionFlags(new Command()).exitOverride()
    const flags = ['--memtable-size', '1.5MiB', '--durability', '250', '--l0-stall-trigger', 'off']
    command.parse(['--workers', 'cores', ...flags], { from: 'user' })
    expect(pickOptions(command.opts())).toEqual({
      workers: 'cores',
      memtableSize: 1.5 * 1024 * 1024,
      durability: { interval: 250 },
      l0StallTrigger: 'off',
    })
  })
})

describe('text', () => {
  it('tables align numbers to the right', () => {
    const table = formatTable(
      ['name', 'MB'],
      [
        ['a', '1.5'],
        ['long name', '1,200'],
      ],
    )
    expect(table).toBe('name          MB\n---------  -----\na            1.5\nlong name  1,200')
  })

  it.each([
    ['61', '62'],
    ['61ff', '62'],
    ['00', '01'],
    ['ffff', undefined],
    ['', undefined],
  ])('the end of prefix %s is %s', (prefix, end) => {
    expect(afterPrefix(Buffer.from(prefix, 'hex'))?.toString('hex')).toBe(end)
  })
})
