// Codecs in TypeScript; some have a second one in the tests that was written by the book.
import {
  decodeEditPayload,
  encodeEditPayload,
  type ManifestEdit,
} from '../../../src/format/manifest-edit.ts'
import { decodeRecord, encodeRecord, type LogRecord } from '../../../src/format/record.ts'
import {
  ALONE_HEADER_MAX,
  ALONE_RESTARTS,
  decodeAlone,
  encodeAloneHeader,
} from '../../../src/format/sstable-block.ts'
import { FieldReader, VARINT_BYTES_MAX, writeVarint } from '../../../src/format/varint.ts'
import {
  FRAME_HEADER_BYTES,
  type FrameHeader,
  readFrameHeader,
  writeFrameHeader,
} from '../../../src/format/wal-frame.ts'
import { KIND_PUT } from '../../../src/kernel/layout.ts'
import { encodeBlock, varint } from '../../../test/unit/kernel/block-encode.ts'
import { encodeRecord as encodeByTheBook } from '../../../test/unit/kernel/memtable-fixture.ts'
import { EDITS } from '../../../test/unit/manifest/manifest-support.ts'
import { words } from '../../data/random.ts'
import type { Area, Case, Side } from '../case.ts'
import { dataset, FIRST_VERSION, KEY_BYTES, VALUE_BYTES } from '../input.ts'

const COUNT = 512

/** `work` gives its answer. */
function side(work: () => unknown): Side {
  let found: unknown
  return {
    run() {
      found = work()
    },
    answer: () => found,
  }
}

/** One to seven bytes each. */
function numbers(): number[] {
  const next = words(8)
  return Array.from({ length: COUNT }, (_, i) =>
    Math.floor((next() * 2 ** 17) / 2 ** (7 * (i % 7))),
  )
}

const writeVarints: Case = {
  name: 'varint, write',
  prepare() {
    const values = numbers()
    const target = Buffer.alloc(COUNT * VARINT_BYTES_MAX)
    let end = 0
    return {
      operations: COUNT,
      ours: {
        run() {
          end = 0
          for (const value of values) end = writeVarint(target, end, value)
        },
        answer: () => Buffer.from(target.subarray(0, end)),
      },
      twin: side(() => Buffer.from(values.flatMap(varint))),
    }
  },
}

const readVarints: Case = {
  name: 'varint, read checked',
  prepare() {
    const expected = numbers()
    const bytes = Buffer.from(expected.flatMap(varint))
    const found: number[] = []
    return {
      operations: COUNT,
      ours: {
        run() {
          const reader = new FieldReader(bytes, 'bench', 0)
          for (let i = 0; i < COUNT; i++) found[i] = reader.varint()
        },
        answer: () => [...found],
      },
      expected,
    }
  },
}

function records(): LogRecord[] {
  const data = dataset(COUNT)
  return Array.from({ length: COUNT }, (_, i) => ({
    kind: 'put',
    key: data.key(i),
    value: data.value(i),
    version: FIRST_VERSION + i,
    expiresAt: 0,
    meta: 0,
    commitEnd: false,
  }))
}

const encodeRecords: Case = {
  name: 'record, encode',
  prepare() {
    const all = records()
    const data = dataset(COUNT)
    return {
      operations: COUNT,
      ours: side(() => all.map(encodeRecord)),
      twin: side(() =>
        all.map(({ version }, i) =>
          encodeByTheBook({ key: data.key(i), value: data.value(i), version }),
        ),
      ),
    }
  },
}

const decodeRecords: Case = {
  name: 'record, decode',
  prepare() {
    const all = records()
    const encoded = all.map(encodeRecord)
    return {
      operations: COUNT,
      ours: side(() => encoded.map((bytes) => decodeRecord(bytes, 'bench', 0))),
      expected: all.map((record, i) => ({ ...record, length: encoded[i]!.length })),
    }
  },
}

const frames: Case = {
  name: 'WAL frame header, write and read',
  prepare() {
    const bytes = Buffer.alloc(FRAME_HEADER_BYTES * COUNT)
    const target = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4)
    const header = (i: number): FrameHeader => ({
      payloadLength: 800,
      syncedOffset: 2 ** 33 + i,
      manifestEdit: i,
      lastVersion: 2 ** 40 + i,
      recordCount: 10,
      flags: 0,
    })
    const given = Array.from({ length: COUNT }, (_, i) => header(i))
    return {
      operations: COUNT,
      ours: side(() =>
        given.map((fields, i) => {
          const at = FRAME_HEADER_BYTES * i
          writeFrameHeader(target, at, fields.payloadLength, fields)
          return readFrameHeader(bytes, at, Number.MAX_SAFE_INTEGER)
        }),
      ),
      expected: given,
    }
  },
}

/** The block of a single large entry, which TypeScript writes around the value. */
const aloneBlocks: Case = {
  name: 'block of one entry, encode and decode',
  prepare() {
    const data = dataset(1)
    const entry = { key: data.key(0), value: data.value(0), version: FIRST_VERSION + 300 }
    const fields = { tag: KIND_PUT, meta: 0, expiresAt: 0 }
    const { bytes } = encodeBlock([{ ...entry, ...fields }], FIRST_VERSION, 1)
    const block = Buffer.alloc(ALONE_HEADER_MAX + bytes.length)
    const lengths = { keyLength: KEY_BYTES, valueLength: VALUE_BYTES }
    const keyAt = block.length - ALONE_RESTARTS - VALUE_BYTES - KEY_BYTES
    bytes.copy(block, block.length - bytes.length)
    block.fill(0, 0, keyAt)
    return {
      operations: 1,
      ours: side(() => {
        const start = encodeAloneHeader(block, keyAt, { ...lengths, ...fields, versionOffset: 300 })
        return decodeAlone(block.subarray(start), FIRST_VERSION)
      }),
      expected: {
        keyStart: bytes.length - ALONE_RESTARTS - VALUE_BYTES - KEY_BYTES,
        ...lengths,
        tag: KIND_PUT,
        meta: 0,
        version: entry.version,
        expiresAt: 0,
      },
    }
  },
}

const edits: Case = {
  name: 'manifest edit, encode and decode',
  prepare: () => ({
    operations: EDITS.length,
    ours: side((): ManifestEdit[] =>
      EDITS.map((edit) => decodeEditPayload(encodeEditPayload(edit), 'bench', 0)),
    ),
    expected: EDITS,
  }),
}

export const codecArea: Area = {
  name: 'codec',
  cases: [writeVarints, readVarints, encodeRecords, decodeRecords, frames, aloneBlocks, edits],
}
