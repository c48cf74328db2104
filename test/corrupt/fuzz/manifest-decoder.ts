// Manifests with levels, numbers, bounds and lengths nobody would write, in edits whose chain verifies; and with tails
// that do not. What is accepted must be a state that could be written again.
import { checksumSeed } from '../../../src/format/checksum.ts'
import { encodeCurrent } from '../../../src/format/current-file.ts'
import { encodeFileHeader, FILE_HEADER_BYTES } from '../../../src/format/file-header.ts'
import {
  decodeEditPayload,
  EDIT_MAGIC,
  encodeEditPayload,
  sealEdit,
} from '../../../src/format/manifest-edit.ts'
import {
  applyEdit,
  EMPTY_STATE,
  type ManifestState,
  snapshotEdit,
} from '../../../src/manifest/apply-edit.ts'
import { readManifest } from '../../../src/manifest/read-manifest.ts'
import type { Prng } from '../../model/prng.ts'
import { imageFileSystem } from '../damage/image-file-system.ts'
import { type Decoder, demand } from './decoder.ts'
import { oddNumber, oddSafe, pick, randomBytes } from './mutation.ts'

const DIRECTORY = '/db'
const NUMBER = 1
const SALT = Buffer.from('0102030405060708', 'hex')

type Token =
  | { readonly kind: 'u8'; value: number }
  | { readonly kind: 'varint'; value: number }
  | { readonly kind: 'bytes'; value: Buffer }

const u8 = (value: number): Token => ({ kind: 'u8', value })
const number = (value: number): Token => ({ kind: 'varint', value })
const bytes = (value: Buffer): Token => ({ kind: 'bytes', value })

/** What the honest part of a manifest has come to. */
interface Model {
  next: number
  /** By level. */
  readonly tables: number[][]
  readonly logs: number[]
  readonly segments: number[]
}

function table(random: Prng, level: number, file: number): Token[] {
  // Of one number, one key range: tables of a level never overlap.
  const key = (end: string): Buffer => Buffer.from(`${String(file).padStart(4, '0')}${end}`)
  const [first, last] = [key('a'), key('b')]
  const version = 10 * file
  return [
    u8(4),
    u8(level),
    number(file),
    number(1_000 + random.below(5_000)),
    number(10 + random.below(50)),
    number(random.below(9)),
    number(version),
    number(version + random.below(10)),
    number(random.below(version + 1)),
    number(500),
    number(random.below(file)),
    bytes(randomBytes(random, 8)),
    number(first.length),
    bytes(first),
    number(last.length),
    bytes(last),
  ]
}

function expiry(random: Prng, file: number): Token[] {
  const earliest = 1 + random.below(1_000)
  const latest = random.chance(0.3) ? 0 : earliest + random.below(1_000)
  return [u8(15), number(file), number(earliest), number(latest)]
}

function packing(random: Prng, file: number): Token[] {
  return [u8(13), number(file), u8(1 + random.below(2)), number(random.u32())]
}

/** Of some of the segments there are. */
function uses(random: Prng, file: number, { segments }: Model): Token[] {
  const some = segments.filter(() => random.chance(0.6))
  if (some.length === 0) return []
  const list = some.flatMap((segment) => [number(segment), number(8 + 8 * random.below(20))])
  return [u8(16), number(file), number(some.length), ...list]
}

/** Of the table behind which they stand: what it refers to, when it expires. */
function steps(random: Prng, file: number, before: readonly Token[]): Token[] {
  const of = (tag: number): number[] => {
    const at = before.findIndex(({ kind, value }) => kind === 'u8' && value === tag)
    return at < 0 ? [] : before.slice(at + 1).map(({ value }) => Number(value))
  }
  const [, earliest = 1, latest = 0] = of(15)
  const referred = of(16)[3] ?? 0
  const count = 1 + random.below(4)
  const list = Array.from({ length: count }, (_, i) => {
    const until = latest === 0 ? earliest + 7 * i : latest - (count - 1 - i)
    return [number(until), number(1 + random.below(2)), number(random.u32()), number(0)]
  })
  list.at(-1)![3] = number(random.below(referred + 1))
  return [u8(17), number(file), number(count), ...list.flat()]
}

function field(random: Prng, model: Model): Token[] {
  switch (random.below(10)) {
    case 0: {
      const file = model.next++
      model.logs.push(file)
      return [u8(6), number(file), bytes(randomBytes(random, 8))]
    }
    case 1: {
      const log = model.logs.shift()
      return log === undefined ? [] : [u8(8), number(log)]
    }
    case 2: {
      const log = model.logs.shift()
      if (log === undefined) return []
      const length = 64 + 8 * random.below(900)
      return [
        u8(7),
        number(log),
        number(length),
        number(random.u32()),
        bytes(randomBytes(random, 8)),
      ]
    }
    case 3: {
      const level = random.below(7)
      const file = model.tables[level]!.shift()
      return file === undefined ? [] : [u8(5), u8(level), number(file)]
    }
    case 4:
      return [u8(1 + random.below(3)), number(random.u32())]
    case 5: {
      const name = Buffer.from(`floor ${random.below(3)}`)
      return [u8(9), number(name.length), bytes(name), number(random.below(100))]
    }
    case 6: {
      const file = model.next++
      model.segments.push(file)
      const size = number(400 + random.below(5_000))
      return [u8(11), number(file), size, bytes(randomBytes(random, 8))]
    }
    case 7: {
      // As often as not a table refers to it.
      const segment = random.chance(0.3) ? model.segments.shift() : undefined
      return segment === undefined ? [] : [u8(12), number(segment)]
    }
    default: {
      const level = random.below(7)
      const file = model.next++
      model.tables[level]!.push(file)
      const tokens = table(random, level, file)
      if (random.chance(0.3)) tokens.push(...expiry(random, file))
      if (random.chance(0.3)) tokens.push(...packing(random, file))
      if (random.chance(0.5)) tokens.push(...uses(random, file, model))
      if (random.chance(0.2)) tokens.push(...steps(random, file, tokens.slice(15)))
      return tokens
    }
  }
}

function spoil(tokens: Token[], random: Prng): void {
  const i = random.below(tokens.length)
  const token = tokens[i]!
  const kind = random.below(10)
  if (kind === 0) tokens.splice(i, 1)
  else if (kind === 1) tokens.splice(i, 0, token)
  else if (kind === 2) tokens.splice(i, 0, ...tokens.slice(0, 1 + random.below(tokens.length)))
  else if (kind === 3) tokens.splice(random.below(tokens.length), 0, ...tokens.splice(i, 1))
  else if (token.kind === 'varint') token.value = oddSafe(random, token.value)
  else if (token.kind === 'u8') {
    token.value = Number(BigInt.asUintN(8, oddNumber(random, BigInt(token.value))))
  } else token.value = randomBytes(random, random.below(2 * token.value.length + 2))
}

function write(tokens: readonly Token[], random: Prng): Buffer {
  const parts = tokens.map((token) => {
    if (token.kind === 'bytes') return token.value
    if (token.kind === 'u8') return Buffer.of(token.value)
    const encoded: number[] = []
    let rest = token.value
    for (; rest >= 128; rest = Math.floor(rest / 128)) encoded.push((rest % 128) | 128)
    encoded.push(rest)
    if (random.chance(0.003)) {
      encoded[encoded.length - 1]! |= 128
      encoded.push(0)
    }
    return Buffer.from(encoded)
  })
  return Buffer.concat(parts)
}

interface Made {
  readonly file: Buffer
  readonly lastChecksum: bigint
}

function makeManifest(random: Prng): Made {
  const tables: number[][] = Array.from({ length: 7 }, () => [])
  const model: Model = { next: 2, tables, logs: [], segments: [] }
  const edits = [encodeFileHeader({ kind: 'manifest', number: NUMBER, salt: SALT, parameter: 0 })]
  let seed = checksumSeed({ salt: SALT, fileNumber: NUMBER, position: FILE_HEADER_BYTES })
  let edit = 1 + random.below(50)
  for (let i = 1 + random.below(7); i > 0; i--) {
    const tokens: Token[] = edits.length === 1 ? [u8(14)] : []
    for (let fields = 1 + random.below(5); fields > 0; fields--)
      tokens.push(...field(random, model))
    if (tokens.length > 0 && random.chance(0.25)) spoil(tokens, random)
    const sealed = sealEdit(write(tokens, random), edit, seed)
    if (random.chance(0.02)) edit = Math.max(0, edit + random.below(5) - 3)
    edits.push(sealed.bytes)
    seed = sealed.checksum
    edit += 1
  }
  return { file: Buffer.concat([...edits, tail(edits, random)]), lastChecksum: seed }
}

/** What may lie behind the last edit: nothing, or things a crash or an enemy left. */
function tail(edits: readonly Buffer[], random: Prng): Buffer {
  const kind = random.below(16)
  if (kind === 0) return Buffer.alloc(random.below(100))
  if (kind === 1) return randomBytes(random, random.below(100))
  if (kind === 2) return pick(random, edits).subarray(0, random.below(80))
  if (kind === 3) {
    const fake = randomBytes(random, 24 + random.below(80))
    fake.writeUInt32LE(EDIT_MAGIC, 8)
    fake.writeUInt32LE(Number(BigInt.asUintN(32, oddNumber(random, BigInt(fake.length - 24)))), 12)
    return fake
  }
  return Buffer.alloc(0)
}

/** Each file once, levels below 0 sorted and disjoint, no segment missing, and written again it is the same. */
function requireSound(state: ManifestState): void {
  const { levels, wals, segments } = state
  const numbers = [...levels.flat(), ...wals, ...segments].map(({ number: file }) => file)
  demand(new Set(numbers).size === numbers.length, 'a file is named twice')
  demand(
    numbers.every((file) => file > 0 && file < state.nextFileNumber),
    'numbers in use',
  )
  for (const tables of state.levels.slice(1)) {
    for (const [i, { smallestKey }] of tables.entries()) {
      const before = tables[i - 1]
      const apart = before === undefined || Buffer.compare(before.largestKey, smallestKey) < 0
      demand(apart, 'tables of a level overlap')
    }
  }
  const sizes = new Map(segments.map(({ number: segment, size }) => [segment, size]))
  for (const { number: segment, bytes: used } of levels.flatMap((tables) =>
    tables.flatMap((each) => each.segments ?? []),
  )) {
    demand(used > 0 && used <= (sizes.get(segment) ?? 0) - 192, 'what a table refers to is there')
  }
  for (const meta of state.levels.flat()) {
    const most = meta.packing === undefined ? 0 : 2 ** 20 + 17
    demand(meta.largestBlock < Math.max(meta.size, most), 'a block larger than its table')
    const { earliestExpiry, latestExpiry } = meta
    const never = latestExpiry === 0
    demand(never || (earliestExpiry > 0 && latestExpiry >= earliestExpiry), 'expiries in order')
    demand(Buffer.compare(meta.smallestKey, meta.largestKey) <= 0, 'keys in order')
    requireSteps(meta)
  }
  const payload = encodeEditPayload(snapshotEdit(state))
  const again = applyEdit(EMPTY_STATE, decodeEditPayload(payload, '/again', 0))
  demand(describe(again) === describe(state), 'a state that cannot be written again')
}

/** No more expires than there is, and not before or after it may. */
function requireSteps({
  expiring = [],
  entries,
  segments = [],
  ...table
}: ManifestState['levels'][number][number]): void {
  demand(expiring.length <= 16, 'few steps of expiry')
  if (expiring.length === 0) return
  const sum = (counts: readonly number[]): number => counts.reduce((all, count) => all + count, 0)
  demand(sum(expiring.map((step) => step.entries)) <= entries, 'entries that expire')
  const used = sum(segments.map(({ bytes: each }) => each))
  demand(sum(expiring.map(({ referred }) => referred)) <= used, 'values that expire')
  const { earliestExpiry, latestExpiry } = table
  demand(earliestExpiry > 0 && expiring[0]!.until >= earliestExpiry, 'none before the earliest')
  demand(latestExpiry === 0 || expiring.at(-1)!.until === latestExpiry, 'all by the latest')
  for (const [i, step] of expiring.entries()) {
    demand(step.until > (expiring[i - 1]?.until ?? 0) && step.entries > 0, 'steps by time')
  }
}

function describe({ editNumber: _, retentionFloors, ...state }: ManifestState): string {
  return JSON.stringify({ ...state, floors: [...retentionFloors] })
}

export function manifestDecoder(): Decoder {
  const files = new Map<string, Buffer>()
  const fs = imageFileSystem(files)
  return {
    name: 'manifest',
    share: 4,
    run(random) {
      const { file, lastChecksum } = makeManifest(random)
      const clean = random.chance(0.3)
      const ends = { length: file.length, lastChecksum }
      const current = encodeCurrent({ manifest: NUMBER, ...(clean ? { clean: ends } : {}) })
      files.set(`${DIRECTORY}/CURRENT`, current)
      files.set(`${DIRECTORY}/MANIFEST-000001`, file)
      const found = readManifest(fs, DIRECTORY)
      demand(found !== undefined, 'a database')
      requireSound(found.state)
      demand(!clean || found.tornBytes === 0, 'nothing is cut from a clean manifest')
      return true
    },
  }
}
