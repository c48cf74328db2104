// What the disk allows a durable put: one write of a log record and one fdatasync, appended to a growing file, or over
// bytes of a file whose blocks are already on the disk, so that the sync has no file size to record.
import { closeSync, fdatasyncSync, fsyncSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { NodeEngine, Store } from './engine.ts'

/** What a log needs around key and value: checksum, lengths, version. */
const HEADER_BYTES = 12
const FILE_BYTES = 64 * 2 ** 20
const CHUNK_BYTES = 2 ** 20

type Place = 'append' | 'overwrite'

function openFile(location: string, place: Place): number {
  mkdirSync(location, { recursive: true })
  const file = openSync(join(location, 'raw.log'), 'w')
  if (place === 'overwrite') {
    const chunk = Buffer.alloc(CHUNK_BYTES, 0xa5)
    for (let at = 0; at < FILE_BYTES; at += CHUNK_BYTES) writeSync(file, chunk, 0, CHUNK_BYTES, at)
  }
  fsyncSync(file)
  return file
}

function rawStore(location: string, place: Place): Store {
  const file = openFile(location, place)
  let at = 0
  const write = (record: Buffer): void => {
    if (place === 'overwrite' && at + record.length > FILE_BYTES) at = 0
    writeSync(file, record, 0, record.length, at)
    fdatasyncSync(file)
    at += record.length
  }
  const refuse = async (): Promise<never> => {
    throw new Error(`raw-${place} only writes: it runs fillsync1 and nothing else`)
  }
  return {
    writeBatch: refuse,
    deleteBatch: refuse,
    async put(key, value) {
      const record = Buffer.allocUnsafe(HEADER_BYTES + key.length + value.length)
      record.fill(0, 0, HEADER_BYTES)
      key.copy(record, HEADER_BYTES)
      value.copy(record, HEADER_BYTES + key.length)
      write(record)
    },
    get: refuse,
    getMany: refuse,
    scan: refuse,
    scanKeys: refuse,
    seek: refuse,
    settle: async () => ({ tableShare: undefined, layout: `one file, ${at} bytes` }),
    close: async () => closeSync(file),
  }
}

function rawEngine(place: Place, words: string): NodeEngine {
  return {
    name: `raw-${place}`,
    kind: 'bound',
    durability: { sync: words },
    persistent: true,
    answers: false,
    only: ['fillsync1'],
    load: async () => ({
      version: process.version,
      open: async (location) => rawStore(location, place),
    }),
  }
}

export const rawEngines: readonly NodeEngine[] = [
  rawEngine('append', 'one write and one fdatasync at the end of a growing file'),
  rawEngine('overwrite', 'one write and one fdatasync within a file that is already on the disk'),
]
