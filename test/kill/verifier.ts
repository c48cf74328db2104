// A process of its own that never wrote: opens what a killed writer left, reads all of it in several ways, closes.
import { Database } from 'sett'
import { openStore } from '../model/store.ts'
import { tagOfValue } from './commits.ts'
import type { VerifierOrder, VerifierReply } from './messages.ts'

async function verify(order: VerifierOrder): Promise<VerifierReply> {
  const store = await openStore(Database, order.directory, order.options)
  try {
    const keys: string[] = []
    const tags: number[] = []
    for await (const [key, value] of store.iterator()) {
      keys.push(key.toString('latin1'))
      tags.push(tagOfValue(value))
    }
    const backwards = await store.keys({ reverse: true }).all()
    if (
      backwards
        .map((key) => key.toString('latin1'))
        .reverse()
        .join() !== keys.join()
    ) {
      throw new Error(`a backward scan saw other keys (${backwards.length} against ${keys.length})`)
    }
    for (let at = 0; at < keys.length; at += 1 + Math.floor(keys.length / 50)) {
      const value = await store.get(Buffer.from(keys[at]!, 'latin1'))
      if (value === undefined || tagOfValue(value) !== tags[at]) {
        throw new Error(`get and scan differ at entry ${at}`)
      }
    }
    const { flushes, levels } = store.stats()
    return { keys, tags, flushes, tables: levels.reduce((sum, { tables }) => sum + tables, 0) }
  } finally {
    await store.close()
  }
}

/** An open that failed says why in its cause. */
function codeOf(error: unknown): string {
  const reason = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return reason instanceof Error && 'code' in reason ? String(reason.code) : 'no code'
}

process.on('message', async (order: VerifierOrder) => {
  try {
    process.send?.(await verify(order))
  } catch (error) {
    const text = error instanceof Error ? `${error.stack}` : String(error)
    process.send?.({ error: text, code: codeOf(error), keys: [], tags: [], flushes: 0, tables: 0 })
  }
})
process.on('disconnect', () => process.exit(0))
