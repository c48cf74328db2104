// get, put, del, scan: one database operation each.
import { Database } from '../../api/database.ts'
import { SettError } from '../../base/errors.ts'
import type { Options } from '../../base/option-table.ts'
import { EXIT, line, type Terminal, write } from './terminal.ts'
import { afterPrefix, fromText, type TextForm, toText } from './text-form.ts'

export interface Target {
  readonly db: string
  readonly options: Options
  readonly form: TextForm
  readonly json: boolean
}

type Bytes = Database<Buffer, Buffer>

/** Opens, runs, closes; the first failure wins. */
export async function withDatabase<T>(
  target: Pick<Target, 'db' | 'options'>,
  mode: Options,
  run: (database: Bytes) => Promise<T>,
): Promise<T> {
  const encodings = { keyEncoding: 'buffer', valueEncoding: 'buffer' }
  const database: Bytes = new Database(target.db, { ...target.options, ...mode, ...encodings })
  await database.open()
  try {
    return await run(database)
  } finally {
    await database.close()
  }
}

export const READING: Options = { readOnly: true }

export async function get(terminal: Terminal, target: Target, key: string): Promise<number> {
  const bytes = fromText(key, target.form)
  if (target.form === 'utf8' && !target.json) return getPlain(terminal, target, bytes)
  const entry = await withDatabase(target, READING, async (database) => database.getEntry(bytes))
  if (entry === undefined) throw noSuchKey()
  if (target.json) {
    const value = toText(entry.value, target.form)
    const { version, expiresAt } = entry
    line(terminal.stdout, JSON.stringify({ key, value, version, expiresAt }))
  } else {
    line(terminal.stdout, toText(entry.value, target.form))
  }
  return EXIT.ok
}

/** Into a file or a pipe go the bytes of the value and no other, so that a stored file comes out whole; a long one is
 * never held whole. */
async function getPlain(terminal: Terminal, target: Target, key: Buffer): Promise<number> {
  const { stdout } = terminal
  await withDatabase(target, READING, async (database) => {
    const value = await database.getStream(key)
    if (value === undefined) throw noSuchKey()
    for await (const piece of value) await write(stdout, piece as Buffer)
  })
  if (stdout.isTTY === true) line(stdout, '')
  return EXIT.ok
}

function noSuchKey(): SettError {
  return new SettError('LEVEL_NOT_FOUND', 'There is no such key. Check it with: sett scan')
}

export interface PutInput {
  readonly key: string
  /** undefined: standard input. */
  readonly value: string | undefined
  /** ms; undefined: it never expires. */
  readonly ttl: number | undefined
}

export async function put(terminal: Terminal, target: Target, input: PutInput): Promise<number> {
  const key = fromText(input.key, target.form)
  const { value, ttl } = input
  const version = await withDatabase(target, {}, async (database) => {
    if (value === undefined) await database.putStream(key, process.stdin, { ttl })
    else await database.put(key, fromText(value, target.form), { ttl })
    return database.version
  })
  if (target.json) line(terminal.stdout, JSON.stringify({ key: input.key, version }))
  return EXIT.ok
}

export async function del(terminal: Terminal, target: Target, key: string): Promise<number> {
  const bytes = fromText(key, target.form)
  const version = await withDatabase(target, { createIfMissing: false }, async (database) => {
    await database.del(bytes)
    return database.version
  })
  if (target.json) line(terminal.stdout, JSON.stringify({ key, version }))
  return EXIT.ok
}

export interface ScanRange {
  readonly prefix?: string
  readonly gt?: string
  readonly gte?: string
  readonly lt?: string
  readonly lte?: string
  readonly limit?: number
  readonly reverse?: boolean
  readonly values: boolean
}

const SCAN_PAGE = 1000

export async function scan(terminal: Terminal, target: Target, range: ScanRange): Promise<number> {
  const bounds = scanBounds(range, target.form)
  const { limit = -1, reverse = false, values } = range
  await withDatabase(target, READING, async (database) => {
    const iterator = database.iterator({ ...bounds, limit, reverse, values })
    try {
      for (;;) {
        const entries = await iterator.nextv(SCAN_PAGE)
        if (entries.length === 0) break
        const lines = entries.map(([key, value]) => scanLine(target, key, value))
        await write(terminal.stdout, `${lines.join('\n')}\n`)
      }
    } finally {
      await iterator.close()
    }
  })
  return EXIT.ok
}

function scanLine({ form, json }: Target, key: Buffer, value: Buffer | undefined): string {
  const name = toText(key, form)
  const text = value === undefined ? undefined : toText(value, form)
  if (json) return JSON.stringify({ key: name, value: text })
  return text === undefined ? name : `${name}\t${text}`
}

interface Bounds {
  gt?: Buffer
  gte?: Buffer
  lt?: Buffer
  lte?: Buffer
}

/** Where a prefix and a bound meet, the narrower one counts. */
function scanBounds(range: ScanRange, form: TextForm): Bounds {
  const bounds: Bounds = {}
  for (const name of ['gt', 'gte', 'lt', 'lte'] as const) {
    const text = range[name]
    if (text !== undefined) bounds[name] = fromText(text, form)
  }
  if (range.prefix === undefined) return bounds
  const prefix = fromText(range.prefix, form)
  const after = afterPrefix(prefix)
  const low = bounds.gte ?? bounds.gt
  if (low === undefined || Buffer.compare(low, prefix) < 0) {
    delete bounds.gt
    bounds.gte = prefix
  }
  const high = bounds.lte ?? bounds.lt
  if (after !== undefined && (high === undefined || Buffer.compare(high, after) >= 0)) {
    delete bounds.lte
    bounds.lt = after
  }
  return bounds
}
