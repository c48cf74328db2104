// The smallest steps through the public interface, over a file system in memory.
import { type Database, open } from '../../../src/index.ts'
import type { Area, Case, Prepared } from '../case.ts'
import { dataset } from '../input.ts'

type Store = Database<Buffer, Buffer>

const KEYS = 4_096
const READS = 512
const OPTIONS = {
  inMemory: true,
  workers: 0,
  memtableSize: 64 * 2 ** 20,
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
} as const

const openStore = (): Promise<Store> => open<Buffer, Buffer>('memory', OPTIONS)

/** From put() to the promise that says it is logged, linked and visible. The log is in memory. */
function puts(inFlight: number): Case {
  return {
    name: `put, ${inFlight} in flight`,
    async prepare(): Promise<Prepared> {
      const store = await openStore()
      const data = dataset(KEYS)
      const indexes = Array.from({ length: inFlight }, (_, i) => i)
      return {
        operations: inFlight,
        ours: {
          awaited: true,
          async run() {
            const done = indexes.map((index) => store.put(data.key(index), data.value(index)))
            await Promise.all(done)
          },
          answer: () => indexes.map((index) => store.getSync(data.key(index))),
        },
        expected: indexes.map((index) => Buffer.from(data.value(index))),
        close: () => store.close(),
      }
    },
  }
}

function reads(
  name: string,
  given: { readonly inTables: boolean; readonly present: boolean },
): Case {
  return {
    name,
    async prepare(): Promise<Prepared> {
      const store = await openStore()
      const data = dataset(KEYS)
      const all = Array.from({ length: KEYS }, (_, index) => index)
      await Promise.all(all.map((index) => store.put(data.key(index), data.value(index))))
      if (given.inTables) await store.flush()
      const indexes = all.slice(0, READS).map((i) => (i * 7) % KEYS)
      const keys = indexes.map((i) => (given.present ? data.key(i) : data.missingKey(i)))
      const found: (Buffer | undefined)[] = []
      return {
        operations: READS,
        ours: {
          run() {
            for (let i = 0; i < READS; i++) found[i] = store.getSync(keys[i]!)
          },
          answer: () => [...found],
        },
        expected: indexes.map((i) => (given.present ? Buffer.from(data.value(i)) : undefined)),
        close: () => store.close(),
      }
    },
  }
}

export const engineArea: Area = {
  name: 'engine',
  cases: [
    puts(1),
    puts(64),
    puts(256),
    reads('getSync, in the memtable', { inTables: false, present: true }),
    reads('getSync, in a table, block cached', { inTables: true, present: true }),
    reads('getSync, absent from a table', { inTables: true, present: false }),
  ],
}
